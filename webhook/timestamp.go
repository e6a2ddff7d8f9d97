package webhook

import "time"

// defaultTolerance is how far a timestamp may be from the time of arrival, either way.
const defaultTolerance = 5 * time.Minute

// parseTimestamp reads seconds since 1970 in the one way to write them: decimal digits,
// without a sign, a leading zero or anything else.
func parseTimestamp(text string) (int64, bool) {
	if text == "" || len(text) > 18 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	var n int64
	for i := range len(text) {
		d := text[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, true
}

// fresh says that at and the second then are no more than tolerance apart. The distance
// of any two seconds fits where there is no sign.
func fresh(at time.Time, then int64, tolerance time.Duration) bool {
	now := at.Unix()
	return uint64(max(now, then))-uint64(min(now, then)) <= uint64(tolerance/time.Second)
}

// stamped reads a timestamp and checks it.
func stamped(at time.Time, text string, tolerance time.Duration) (time.Time, error) {
	then, ok := parseTimestamp(text)
	if !ok {
		return time.Time{}, errTimestamp
	}
	if !fresh(at, then, tolerance) {
		return time.Time{}, errStale
	}
	return time.Unix(then, 0), nil
}
