package webhook_test

import (
	"io"
	"log"
	"strconv"
)

var quiet = log.New(io.Discard, "", 0)

func itoa(port uint16) string { return strconv.Itoa(int(port)) }
