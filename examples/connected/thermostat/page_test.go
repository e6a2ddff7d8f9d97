package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon/internal/browser"
)

// The page, in a real browser, over the hub and the device in processes of their own.
func TestPage_InChromium(t *testing.T) {
	b := browser.Start(t)
	_, url := startHub(t, "")
	p := b.Open(t, url)
	text := func(id string) string { return fmt.Sprintf("document.getElementById(%q).textContent", id) }

	p.Until(t, text("state-text")+` === "Device offline"`)
	p.Until(t, `document.getElementById("target").disabled`)
	device := start(t, "", "device", "-hub", url)
	p.Until(t, `["Heating", "Idle"].includes(`+text("state-text")+`)`)

	// It is live.
	p.Eval(t, `{
		const seen = window.seen = new Set();
		new MutationObserver(() => seen.add(`+text("celsius")+`)).observe(document.getElementById("celsius"), { childList: true });
	}`, nil)
	p.Until(t, "seen.size >= 3")
	p.Until(t, `/^\d+ readings\/s · commands \d+\.\d\d ms$/.test(`+text("facts")+`)`)

	// The chart draws.
	const points = `(document.getElementById("line").getAttribute("d") ?? "").split("L").length`
	p.Until(t, points+" > 20")
	var path string
	p.Eval(t, `document.getElementById("line").getAttribute("d")`, &path)
	p.Until(t, fmt.Sprintf(`document.getElementById("line").getAttribute("d") !== %q`, path))
	for name, so := range map[string]string{
		"the line is inside":    `(() => { const c = document.getElementById("chart").getBoundingClientRect(), l = document.getElementById("line").getBoundingClientRect(); return l.width > 5 && l.height > 2 && l.left >= c.left && l.right <= c.right && l.top >= c.top && l.bottom <= c.bottom; })()`,
		"there is a grid":       `document.querySelectorAll("#grid line").length >= 3`,
		"the target is drawn":   `document.getElementById("wanted").getBoundingClientRect().width > 100`,
		"the heating is drawn":  `document.getElementById("heated").hasAttribute("d")`,
		"it is styled, by file": `getComputedStyle(document.getElementById("line")).strokeWidth === "2px"`,
	} {
		var ok bool
		if p.Eval(t, so, &ok); !ok {
			t.Errorf("the chart: not true that %s", name)
		}
	}

	// It fits, also a small phone, and says what it is to those who do not see it.
	for _, width := range []int{320, 390, 1200} {
		p.Size(t, width, 800, "light")
		var wide float64
		if p.Eval(t, "document.documentElement.scrollWidth", &wide); wide > float64(width) {
			t.Errorf("on a screen of %d pixels the page has %v", width, wide)
		}
	}
	nodes := p.Accessible(t)
	for _, want := range []browser.Node{{Role: "slider", Name: "Target"}, {Role: "button", Name: "Half a degree warmer"}, {Role: "heading", Name: "Living room"}} {
		if !slices.ContainsFunc(nodes, func(n browser.Node) bool { return n.Role == want.Role && n.Name == want.Name }) {
			t.Errorf("there is no %s %q to assistive technology", want.Role, want.Name)
		}
	}
	for _, n := range nodes {
		if n.Name == "" && slices.Contains([]string{"button", "slider", "image", "img"}, n.Role) {
			t.Errorf("a %s has no name", n.Role)
		}
	}

	// It sets the target, and the device obeys.
	says := func(message string) {
		t.Helper()
		p.Until(t, fmt.Sprintf("%s === %q", text("message"), message))
	}
	p.Click(t, "#warmer")
	p.Click(t, "#warmer")
	says("The device is set to 22.0 °C.")
	if s := statsOf(t, url); s.View.Target != 22 {
		t.Errorf("the hub wants %v °C, want 22", s.View.Target)
	}
	p.Until(t, "Number("+text("celsius")+") >= 22")
	p.Eval(t, `document.getElementById("target").focus()`, nil)
	p.Press(t, "ArrowLeft")
	says("The device is set to 21.5 °C.")

	// Asked for much, the hub asks back.
	hot := func() {
		t.Helper()
		p.Eval(t, `{ const s = document.getElementById("target"); s.value = 27; s.dispatchEvent(new Event("input")); }`, nil)
		p.Until(t, `document.getElementById("sure").open`)
		var asked string
		if p.Eval(t, text("sure-celsius"), &asked); asked != "27.0 °C" {
			t.Errorf("the hub asks whether %s is meant", asked)
		}
	}
	hot()
	p.Press(t, "Escape")
	says("Left as it was.")
	p.Until(t, text("target-text")+` === "21.5 °C"`)
	hot()
	p.Click(t, "#sure-no")
	says("Left as it was.")
	hot()
	p.Click(t, "#sure-yes")
	says("The device is set to 27.0 °C.")
	p.Until(t, "Number("+text("celsius")+") >= 24")

	// It says so when the device is gone, and when it is back.
	if err := device.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Until(t, text("state-text")+` === "Device offline"`)
	start(t, "", "device", "-hub", url)
	p.Until(t, text("state-text")+` === "Heating"`)

	if wrong := p.Wrong(); len(wrong) > 0 {
		t.Errorf("in the page went wrong:\n%s", strings.Join(wrong, "\n"))
	}
}
