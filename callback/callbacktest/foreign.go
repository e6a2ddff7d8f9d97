package callbacktest

import (
	"context"
	"strings"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

func checkForeignAnswers(t *trial) {
	e := t.open()
	a := t.run(e.A, &callback.PeerOptions{Codec: callback.Bytes{}}, nil)
	name := t.name("foreign")
	e.Foreign.Answer(name)
	ask := callback.Dial[string, string](a, name, nil)
	for _, q := range []string{"plain", "応答", ""} {
		if got := answered(t, ask(t.Context(), q)); got != q {
			t.Errorf("asked %q, answered %q", q, got)
		}
	}
	fs := make(map[string]*future.Future[string])
	for _, q := range strings.Fields("a b c d e f g h") {
		fs[q] = ask(t.Context(), q)
	}
	for q, f := range fs {
		if got := answered(t, f); got != q {
			t.Errorf("asked %q, answered %q", q, got)
		}
	}
	t.nonePending(a)
}

func checkForeignAsks(t *trial) {
	e := t.open()
	work, up := t.name("echo"), t.name("ready")
	t.answering(e.B, nil, up, func(b *callback.Peer) {
		callback.Serve(b, work, func(_ context.Context, q string) (string, error) { return "re: " + q, nil },
			&callback.ServeOptions{Codec: callback.Bytes{}})
	})
	t.ready(t.run(e.A, nil, nil), up)
	for _, q := range []string{"plain", "応答", ""} {
		var got []byte
		ctx, cancel := t.Patient()
		err := t.heeds(ctx, "Foreign.Ask", func() (err error) {
			got, err = e.Foreign.Ask(work, []byte(q))
			return err
		})
		cancel()
		if err != nil || string(got) != "re: "+q {
			t.Errorf("a foreign client asked %q, and got %q, %v", q, got, err)
		}
	}
}
