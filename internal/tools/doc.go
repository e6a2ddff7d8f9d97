// Package tools pins the tools that this repository is checked with, and holds
// those that are its own:
//
//	apidump       writes down the exported API of a module
//	guarantees    lists the promises and the tests that carry them
//	reference     lists every limit with its default, and every event
//	snippets      keeps the code in Markdown equal to code that is compiled
//	packcheck     uses the core as its users get it: packed, from outside
//	openapicheck  checks OpenAPI documents against the specification
//
// None of it is part of what users import.
package tools
