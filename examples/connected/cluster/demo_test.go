package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The test is the program itself when it is told to be.
func TestMain(m *testing.M) {
	if os.Getenv("CLUSTER") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestDemo(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "CLUSTER=run")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"in the middle of", "server n", "100 asked, 100 answered", " 0 lost"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q: %s", want, out)
		}
	}
}
