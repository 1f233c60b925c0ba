//go:build e2e

package lab

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
)

// imageFile is the root file system of every image: busybox with its commands,
// and web.
func imageFile() string { return filepath.Join(Run, "image.tar") }

func makeImage() error {
	busybox := filepath.Join(cache(), "bookworm", "bin", "busybox")
	applets, err := output(busybox, "--list")
	if err != nil {
		return err
	}
	file, err := os.Create(imageFile())
	if err != nil {
		return err
	}
	defer file.Close()
	w := tar.NewWriter(file)
	for _, dir := range []string{"bin/", "etc/", "tmp/", "var/"} {
		if err := w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			return err
		}
	}
	for name, from := range map[string]string{"bin/busybox": busybox, "bin/web": filepath.Join(Run, "bin", "web")} {
		body, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(body))}); err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
	}
	for applet := range strings.FieldsSeq(applets) {
		if applet == "busybox" {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}); err != nil {
			return err
		}
	}
	return w.Close()
}
