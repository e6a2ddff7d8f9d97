package webhook

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"unicode"

	"github.com/antiphon-go/antiphon"
)

// CloudEvents returns a Verifier of CloudEvents that are pushed in either mode, binary or
// structured (CloudEvents, HTTP protocol binding; JSON format), and are genuine if v
// says so. A message looks the same in both modes: Body is the data, Header has the
// attributes as Ce-Id, Ce-Source and so on, and the Content-Type of the data.
//
// Events are named by source and id together, so ID is both with a blank between; if v
// has an ID that is signed, it stays. In structured mode the attributes are signed with
// the body. In binary mode they are not, unless v says so of what it returns: where v signs the
// body alone, whoever has seen one push can send it again with other attributes, and in
// the other mode.
//
// Batches, and other formats than JSON, are refused. What asks for permission first is
// answered by a [Receiver]: see ReceiverOptions.Origins.
func CloudEvents(v Verifier) Verifier {
	early, _ := v.(Prechecker)
	return &cloudEvents{v, early}
}

// The content type tells the mode: in structured mode fields of the header say nothing,
// which may be there too.
type cloudEvents struct {
	Verifier
	early Prechecker // nil if it is none
}

func (c *cloudEvents) Precheck(r Request) error {
	if c.early == nil {
		return nil
	}
	return c.early.Precheck(r)
}

func (c *cloudEvents) Verify(ctx context.Context, r Request) (Message, error) {
	m, err := c.Verifier.Verify(ctx, r)
	if err != nil {
		return m, err
	}
	if m.Body == nil {
		m.Body = r.Body
	}
	if m.Header == nil {
		m.Header = r.Header
	}
	kind, structured := m.Type, strings.HasPrefix(contentTypeOf(m.Header), "application/cloudevents")
	var e event
	var ok bool
	if structured {
		e, ok = structuredEvent(&m)
		m.TypeSigned = ok
	} else {
		e, ok = binaryEvent(r.Header)
		m.TypeSigned = m.TypeSigned && kind == e.kind // or it was another type
	}
	if !ok || e.version != "1.0" || e.id == "" || e.kind == "" || e.source == "" {
		return Message{}, &RejectError{Reason: ReasonContent}
	}
	m.Type = e.kind
	if !m.IDSigned {
		m.ID, m.IDSigned = e.source+" "+e.id, structured
	}
	return m, nil
}

// An event has the attributes that every event has.
type event struct{ version, id, kind, source string }

// binaryEvent reads an event whose attributes are header fields.
func binaryEvent(h http.Header) (e event, ok bool) {
	for _, f := range []struct {
		name  string
		value *string
	}{{"Ce-Specversion", &e.version}, {"Ce-Id", &e.id}, {"Ce-Type", &e.kind}, {"Ce-Source", &e.source}} {
		lines := h[f.name]
		if len(lines) != 1 {
			return e, false
		}
		text, err := url.PathUnescape(lines[0])
		if err != nil {
			return e, false
		}
		*f.value = text
	}
	return e, true
}

// structuredEvent reads an event that is the body of m, and makes m as if it had come in
// binary mode.
func structuredEvent(m *Message) (e event, ok bool) {
	if contentTypeOf(m.Header) != "application/cloudevents+json" {
		return e, false
	}
	var members map[string]json.RawMessage
	if (antiphon.JSON{MaxSize: len(m.Body)}).Unmarshal(m.Body, &members) != nil {
		return e, false
	}
	h := m.Header.Clone()
	delete(h, "Content-Type")
	for name := range h { // what nobody signed must not look as if it was
		if strings.HasPrefix(name, "Ce-") {
			delete(h, name)
		}
	}
	for name, raw := range members {
		if name == "data" || name == "data_base64" || string(raw) == "null" {
			continue
		}
		text, ok := attribute(name, raw)
		switch {
		case !ok:
			return e, false
		case name == "specversion":
			e.version = text
		case name == "id":
			e.id = text
		case name == "type":
			e.kind = text
		case name == "source":
			e.source = text
		}
		if name == "datacontenttype" {
			h["Content-Type"] = []string{text}
		} else {
			h["Ce-"+textproto.CanonicalMIMEHeaderKey(name)] = []string{text}
		}
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = []string{"application/json"}
	}
	if m.Body, ok = eventData(members, h["Content-Type"][0]); !ok {
		return e, false
	}
	m.Header = h
	return e, true
}

// attribute returns the value of an attribute as text: a string, a number or a boolean.
func attribute(name string, raw json.RawMessage) (text string, ok bool) {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	switch raw[0] {
	case '{', '[':
		return "", false
	case '"':
		err := json.Unmarshal(raw, &text)
		return text, name != "" && err == nil && !strings.ContainsFunc(text, unicode.IsControl)
	}
	return string(raw), name != ""
}

// eventData is the data of an event, as its content type has it.
func eventData(members map[string]json.RawMessage, contentType string) ([]byte, bool) {
	data, binary := members["data"], members["data_base64"]
	switch {
	case data != nil && binary != nil:
		return nil, false
	case binary != nil:
		b := []byte{}
		err := json.Unmarshal(binary, &b)
		return b, err == nil
	case data == nil:
		return []byte{}, true
	case data[0] == '"' && !isJSON(contentType):
		var text string
		err := json.Unmarshal(data, &text)
		return []byte(text), err == nil
	}
	return data, true
}

func isJSON(contentType string) bool {
	kind, _, _ := mime.ParseMediaType(contentType)
	_, sub, _ := strings.Cut(kind, "/")
	return sub == "json" || strings.HasSuffix(sub, "+json")
}
