package ways

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/antiphon-go/antiphon"
)

// Report puts the questions to each of the ways, prints what became of them and what it
// cost, and does it again with a cut in the middle. It returns the accounts of both.
func Report(ctx context.Context, out io.Writer, ways ...Way) (whole, cut []Account, err error) {
	fmt.Fprintf(out, "%d questions, %d at a time, to one function in every way; then %d that it does not answer yet\n\n", Questions, Lanes, pendings)
	costs := make([]Cost, len(ways))
	for i, w := range ways {
		whole = append(whole, put(ctx, w, false))
		if costs[i], err = pending(ctx, w); err != nil {
			return whole, nil, fmt.Errorf("%s: %w", w.Name, err)
		}
	}
	table(out, whole, []string{"a pending ask"}, func(i int) []string {
		return []string{fmt.Sprintf("%d B, %.2f goroutines", costs[i].Bytes, costs[i].Goroutines)}
	})
	fmt.Fprintf(out, "\nThe same, with all that connects the two ends cut when half of it is answered\n\n")
	for _, w := range ways {
		cut = append(cut, put(ctx, w, true))
	}
	table(out, cut, []string{"cut"}, func(i int) []string { return []string{cut[i].Cut} })
	return whole, cut, nil
}

// table prints accounts, and one more column.
func table(out io.Writer, as []Account, head []string, more func(i int) []string) {
	rows := [][]string{append([]string{"way", "answered", "failed", "not accepted", "unknown", "hung", "p50", "p99", "requests", "bytes"}, head...)}
	for i, a := range as {
		row := []string{a.Way, fmt.Sprint(a.Answered)}
		for _, c := range []antiphon.Class{antiphon.ClassFailed, antiphon.ClassNotAccepted, antiphon.ClassUnknown} {
			row = append(row, fmt.Sprint(a.Errors[c]))
		}
		row = append(row, fmt.Sprint(a.Hung), ms(a.P50), ms(a.P99), count(a.Requests), count(a.Bytes))
		rows = append(rows, append(row, more(i)...))
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprint(out, cell, space)
			} else {
				fmt.Fprint(out, "  ", space, cell)
			}
		}
		fmt.Fprintln(out)
	}
}

func ms(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// count is a number, where there is something to be counted.
func count(n int64) string {
	if n == 0 {
		return "–"
	}
	return fmt.Sprint(n)
}
