package browser

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// A Page is a tab.
type Page struct {
	b       *Browser
	session string

	mu     sync.Mutex
	wrong  []string
	loaded chan struct{} // closed when the page has been loaded
	once   sync.Once
}

type object map[string]any

// Open opens url in a new tab, which is closed with the test, and waits until it is
// loaded.
func (b *Browser) Open(tb testing.TB, url string) *Page {
	tb.Helper()
	var target struct{ TargetID string }
	var session struct{ SessionID string }
	b.wire.must(tb, "", "Target.createTarget", object{"url": "about:blank"}, &target)
	b.wire.must(tb, "", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &session)
	p := &Page{b: b, session: session.SessionID, loaded: make(chan struct{})}
	b.wire.listen(p.session, p.event)
	tb.Cleanup(func() {
		b.wire.must(tb, "", "Target.closeTarget", object{"targetId": target.TargetID}, nil)
		b.wire.listen(p.session, nil)
	})
	for _, domain := range []string{"Runtime", "Log", "Page"} {
		p.do(tb, domain+".enable", nil, nil)
	}
	p.do(tb, "Page.addScriptToEvaluateOnNewDocument", object{"source": "addEventListener('load', () => console.debug('" + loadedMark + "'))"}, nil)
	var went struct{ ErrorText string }
	p.do(tb, "Page.navigate", object{"url": url}, &went)
	if went.ErrorText != "" {
		tb.Fatalf("%s: %s", url, went.ErrorText)
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-p.loaded:
	case <-limit.C:
		tb.Fatalf("%s was not loaded within %v", url, patience)
	}
	return p
}

const loadedMark = "browser: loaded"

// event is told what happens in the tab.
func (p *Page) event(method string, params json.RawMessage) {
	var e struct {
		Type  string
		Args  []struct{ Value, Description any }
		Entry struct{ Level, Source, Text, URL string }

		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if json.Unmarshal(params, &e) != nil {
		return
	}
	switch {
	case method == "Runtime.consoleAPICalled" && e.Type == "debug" && len(e.Args) == 1 && e.Args[0].Value == loadedMark:
		p.once.Do(func() { close(p.loaded) })
	case method == "Runtime.consoleAPICalled" && (e.Type == "error" || e.Type == "assert"):
		p.note(fmt.Sprint("console: ", e.Args))
	case method == "Runtime.exceptionThrown":
		p.note("thrown: " + e.ExceptionDetails.Text + " " + e.ExceptionDetails.Exception.Description)
	case method == "Log.entryAdded" && e.Entry.Level == "error":
		p.note(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
	}
}

func (p *Page) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, text)
}

// Wrong returns what went wrong in the page: what was thrown and not caught, what the
// console was told of as an error, what the page's policy forbade and what could not
// be loaded.
func (p *Page) Wrong() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.wrong)
}

func (p *Page) do(tb testing.TB, method string, params, result any) {
	tb.Helper()
	p.b.wire.must(tb, p.session, method, params, result)
}

// Eval evaluates a JavaScript expression in the page, waits for it if it is a promise,
// and stores its value, which is JSON, in what into points to, unless that is nil.
func (p *Page) Eval(tb testing.TB, expression string, into any) {
	tb.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.do(tb, "Runtime.evaluate", object{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if x := r.ExceptionDetails; x != nil {
		tb.Fatalf("%s: %s %s", expression, x.Text, x.Exception.Description)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(r.Result.Value, into); err != nil {
		tb.Fatalf("%s is %s: %v", expression, r.Result.Value, err)
	}
}

// Until waits until a JavaScript expression is true in the page.
func (p *Page) Until(tb testing.TB, expression string) {
	tb.Helper()
	limit := time.Now().Add(patience)
	for {
		var yes bool
		p.Eval(tb, "Boolean("+expression+")", &yes)
		if yes {
			return
		}
		if time.Now().After(limit) {
			tb.Fatalf("not within %v: %s; what went wrong: %q", patience, expression, p.Wrong())
		}
		pause := time.NewTimer(20 * time.Millisecond)
		<-pause.C
	}
}

// Size gives the page a size in CSS pixels, of which each is two by two of the screen.
// color is "light" or "dark", as the user prefers.
func (p *Page) Size(tb testing.TB, width, height int, color string) {
	tb.Helper()
	p.do(tb, "Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600}, nil)
	p.do(tb, "Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": color}}}, nil)
}

// Screenshot returns what is to be seen, as PNG.
func (p *Page) Screenshot(tb testing.TB) []byte {
	tb.Helper()
	var shot struct{ Data []byte }
	p.do(tb, "Page.captureScreenshot", object{"format": "png"}, &shot)
	return shot.Data
}

// Click clicks with the mouse into the middle of the element that selector finds.
func (p *Page) Click(tb testing.TB, selector string) {
	tb.Helper()
	find, _ := json.Marshal(selector)
	var at struct{ X, Y float64 }
	p.Eval(tb, `(() => {
		const e = document.querySelector(`+string(find)+`);
		e.scrollIntoView({ block: "nearest", behavior: "instant" });
		const r = e.getBoundingClientRect();
		return { x: r.x + r.width / 2, y: r.y + r.height / 2 };
	})()`, &at)
	for _, typ := range []string{"mousePressed", "mouseReleased"} {
		p.do(tb, "Input.dispatchMouseEvent", object{"type": typ, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// Press presses a key that has no character, such as ArrowUp, in what has the focus.
func (p *Page) Press(tb testing.TB, key string) {
	tb.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
	for _, typ := range []string{"rawKeyDown", "keyUp"} {
		p.do(tb, "Input.dispatchKeyEvent", object{"type": typ, "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}, nil)
	}
}

// A Node is what assistive technology sees of an element.
type Node struct {
	Role, Name, Value string
}

// Accessible returns what assistive technology sees of the page.
func (p *Page) Accessible(tb testing.TB) []Node {
	tb.Helper()
	type value struct{ Value any }
	var tree struct {
		Nodes []struct {
			Ignored           bool
			Role, Name, Value value
		}
	}
	p.do(tb, "Accessibility.getFullAXTree", nil, &tree)
	text := func(v value) string {
		if v.Value == nil {
			return ""
		}
		return fmt.Sprint(v.Value)
	}
	var all []Node
	for _, n := range tree.Nodes {
		if !n.Ignored {
			all = append(all, Node{text(n.Role), text(n.Name), text(n.Value)})
		}
	}
	return all
}
