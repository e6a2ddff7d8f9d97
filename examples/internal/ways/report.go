package ways

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/antiphon-go/antiphon"
)

// Report puts the questions to each of the ways, prints what became of them and what it
// cost, and does it again with a cut in the middle. It fails if anything hung, or ended
// otherwise than it should.
func Report(ctx context.Context, out io.Writer, ways ...Way) error {
	fmt.Fprintf(out, "%d questions, %d at a time, to a function that takes %v; then %d that it does not answer yet.\n\n", Questions, Lanes, takes, pendings)
	var whole, cut []Account
	var costs []Cost
	for _, w := range ways {
		whole = append(whole, put(ctx, w, false))
		cost, err := pending(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
		costs = append(costs, cost)
	}
	table(out, whole, "a pending ask", func(i int) string { return costs[i].String() })
	fmt.Fprintf(out, "\nThe same, and what is between the two ends is cut when half of it has ended.\n\n")
	for _, w := range ways {
		cut = append(cut, put(ctx, w, true))
	}
	table(out, cut, "cut", func(i int) string { return cut[i].Cut })
	return check(ways, whole, cut)
}

// check tells what is not as it should be.
func check(ways []Way, whole, cut []Account) error {
	var wrong []error
	for i, w := range ways {
		for _, a := range []Account{whole[i], cut[i]} {
			if a.Hung > 0 || a.Wrong > 0 || a.ended() != Questions {
				wrong = append(wrong, fmt.Errorf("%s: of %d questions %d ended, %d wrongly, and %d hung", w.Name, Questions, a.ended(), a.Wrong, a.Hung))
			}
		}
		if !maps.Equal(whole[i].Errors, whole[0].Errors) {
			wrong = append(wrong, fmt.Errorf("%s: errors changed on the way: %v", w.Name, whole[i].Errors))
		}
		if w.Outlasts && !maps.Equal(cut[i].Errors, whole[0].Errors) {
			wrong = append(wrong, fmt.Errorf("%s: it did not outlast the cut: %v", w.Name, cut[i].Errors))
		}
	}
	return errors.Join(wrong...)
}

// table prints accounts, and one more column.
func table(out io.Writer, as []Account, head string, more func(i int) string) {
	rows := [][]string{{"way", "answered", "failed", "not accepted", "unknown", "hung", "p50", "p99", "requests", "bytes", head}}
	for i, a := range as {
		row := []string{a.Way, fmt.Sprint(a.Answered)}
		for _, c := range []antiphon.Class{antiphon.ClassFailed, antiphon.ClassNotAccepted, antiphon.ClassUnknown} {
			row = append(row, fmt.Sprint(a.Errors[c]))
		}
		row = append(row, fmt.Sprint(a.Hung), ms(a.P50), ms(a.P99), count(a.Requests), count(a.Bytes))
		rows = append(rows, append(row, more(i)))
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch i {
			case 0:
				line.WriteString(cell + space)
			case len(row) - 1:
				line.WriteString("  " + cell)
			default:
				line.WriteString("  " + space + cell)
			}
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
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
