// Renders a Helm chart as helm does, as far as ours uses it: text/template with sprig, .Values and .Release.Namespace.
//
//	render CHART VALUES.json NAMESPACE
//
// Fails where the schema has a pattern that Go does not compile, which helm would say of every installation. Prints every
// template but NOTES.txt, which is only parsed and run; a `fail` is the last line of standard error.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"text/template"

	"github.com/Masterminds/sprig"
)

func main() {
	if err := render(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func render(chart, valuesFile, namespace string) error {
	if err := compilePatterns(filepath.Join(chart, "values.schema.json")); err != nil {
		return err
	}
	text, err := os.ReadFile(valuesFile)
	if err != nil {
		return err
	}
	var values map[string]interface{}
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	data := map[string]interface{}{
		"Values":  values,
		"Release": map[string]interface{}{"Namespace": namespace, "Name": "berth"},
	}
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		return err
	}
	sort.Strings(files)
	functions := sprig.TxtFuncMap()
	// Sprig's own takes a pattern that is none for one that nothing matches.
	functions["regexMatch"] = regexp.MatchString
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		// As helm: a value that is nowhere is no error by itself, and an empty text.
		parsed, err := template.New(filepath.Base(file)).Option("missingkey=zero").Funcs(functions).Parse(string(source))
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, data); err != nil {
			return err
		}
		if filepath.Ext(file) == ".yaml" {
			fmt.Printf("---\n# Source: %s\n%s\n", filepath.Base(file), out.String())
		}
	}
	return nil
}

// As helm compiles them before it looks at a template.
func compilePatterns(schemaFile string) error {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		return err
	}
	var schema interface{}
	if err := json.Unmarshal(text, &schema); err != nil {
		return err
	}
	return compileBelow(schema)
}

func compileBelow(node interface{}) error {
	switch node := node.(type) {
	case []interface{}:
		for _, one := range node {
			if err := compileBelow(one); err != nil {
				return err
			}
		}
	case map[string]interface{}:
		for key, one := range node {
			if pattern, isText := one.(string); isText && key == "pattern" {
				if _, err := regexp.Compile(pattern); err != nil {
					return err
				}
			}
			if err := compileBelow(one); err != nil {
				return err
			}
		}
	}
	return nil
}
