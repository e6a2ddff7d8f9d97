package markdown

import "testing"

func TestBlocks(t *testing.T) {
	found := Blocks("<!-- run -->\n```sh\ngo test work\n```\n```sh\nrm -rf x\n```\n  ```go\n  x\n  ```\n```text\nend")
	if len(found) != 4 {
		t.Fatalf("found %+v", found)
	}
	if b := found[0]; b.Comment != "run" || b.Lang != "sh" || b.Body != "go test work\n" || b.Start != 2 || b.End != 3 || b.Odd {
		t.Errorf("%+v", b)
	}
	if b := found[1]; b.Comment != "" || b.Odd {
		t.Errorf("%+v", b)
	}
	if !found[2].Odd || !found[3].Odd {
		t.Errorf("%+v", found[2:])
	}
	if b := First(found, "text"); b == nil || b.Start != 11 {
		t.Errorf("%+v", b)
	}
}
