// Package clients knows what Docker's clients send: it turns a compose file, a
// docker run line or a call written as text into calls to the Engine's API, as
// docker compose and docker would make them. It opens no socket and decides
// nothing.
//
//	docker run -p 8080:80 web        Line       and Run its call
//	docker compose -f x.yaml up      Line       and Compose its files
//	POST /networks/create {…}        ParseCall  one call
//	compose.yaml, compose.prod.yaml  Compose    a project, and Up its calls
//
// A call holds what can make a claim on the host, and little else: it is meant to be
// decided, not sent. A call of a compose file also finds the lines from which its
// values were made.
package clients
