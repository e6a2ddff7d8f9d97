package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// The other process is this test, started again.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-merchants" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestPair(t *testing.T) {
	var out bytes.Buffer
	if err := beShop(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"600 deliveries: 570 arrived", "30 given up", "accepted with 202, came by push: 42",
		"requests while idle: 0", "the merchant that was away has 3 orders of 3",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not print %q:\n%s", want, &out)
		}
	}
}
