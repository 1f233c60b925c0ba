package rewrite

func containerCreate(c *call) error     { return nil }
func containerStart(c *call) error      { return nil }
func containerRestart(c *call) error    { return nil }
func containerUpdate(c *call) error     { return nil }
func containerExec(c *call) error       { return nil }
func containerEnter(c *call) error      { return nil }
func containerCheckpoint(c *call) error { return nil }
func containerCommit(c *call) error     { return nil }
