// Openapicheck reports what is wrong with OpenAPI documents: against the specification's
// own schema, and in what they refer to.
//
//	openapicheck FILE…
package main

import (
	"fmt"
	"os"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: openapicheck FILE…")
		os.Exit(2)
	}
	wrong := false
	for _, name := range os.Args[1:] {
		for _, problem := range check(name) {
			fmt.Printf("%s: %s\n", name, problem)
			wrong = true
		}
	}
	if wrong {
		os.Exit(1)
	}
}

// check returns what is wrong with a document.
func check(name string) (problems []string) {
	data, err := os.ReadFile(name)
	if err != nil {
		return []string{err.Error()}
	}
	doc, err := libopenapi.NewDocument(data)
	if err != nil {
		return []string{err.Error()}
	}
	if _, err := doc.BuildV3Model(); err != nil { // which follows all references
		return []string{err.Error()}
	}
	v, errs := validator.NewValidator(doc)
	for _, err := range errs {
		problems = append(problems, err.Error())
	}
	if len(errs) > 0 {
		return problems
	}
	if ok, found := v.ValidateDocument(); !ok {
		for _, e := range found {
			problems = append(problems, e.Error())
			for _, s := range e.SchemaValidationErrors {
				problems = append(problems, fmt.Sprintf("  line %d: %s: %s", s.Line, s.FieldPath, s.Reason))
			}
		}
	}
	return problems
}
