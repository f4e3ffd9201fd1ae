package config

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/mesh/diag"
)

// Parse reads documents from files, in order: several in one file, and those inside of Lists. A document with errors is
// part of the result as far as it could be read, so that Build can say what else is wrong with it.
func Parse(files ...File) ([]*Document, diag.List) {
	var docs []*Document
	var diags diag.List
	for _, f := range files {
		docs = append(docs, parseFile(f, &diags)...)
	}
	return docs, finished(diags)
}

func parseFile(f File, diags *diag.List) []*Document {
	var docs []*Document
	for _, n := range nodes(f, diags) {
		docs = append(docs, document(f.Name, n, diags)...)
	}
	return docs
}

// nodes gives the root of each document that is not empty.
func nodes(f File, diags *diag.List) []*yaml.Node {
	var out []*yaml.Node
	for dec := yaml.NewDecoder(bytes.NewReader(f.Data)); ; {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			line, message := yamlError(err)
			diags.Errorf("BAD-YAML", diag.Pos{File: f.Name, Line: line}, "not YAML: %s", message)
			return out
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 && !isNull(n.Content[0]) {
			out = append(out, n.Content[0])
		}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError takes the line out of the message of a YAML error.
func yamlError(err error) (line int, message string) {
	message = err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	return max(1, line), message
}

// metadata is what is read of a document's metadata; the rest belongs to the API server.
type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`

	GenerateName               string `json:"generateName"`
	CreationTimestamp          any    `json:"creationTimestamp"`
	DeletionTimestamp          any    `json:"deletionTimestamp"`
	DeletionGracePeriodSeconds any    `json:"deletionGracePeriodSeconds"`
	Finalizers                 any    `json:"finalizers"`
	Generation                 any    `json:"generation"`
	ManagedFields              any    `json:"managedFields"`
	OwnerReferences            any    `json:"ownerReferences"`
	ResourceVersion            any    `json:"resourceVersion"`
	SelfLink                   any    `json:"selfLink"`
	UID                        any    `json:"uid"`
	ClusterName                any    `json:"clusterName"`
}

// document decodes one document, or those of a List.
func document(file string, n *yaml.Node, diags *diag.List) []*Document {
	d := &decoder{file: file, places: places{}, diags: diags}
	n, ok := d.enter(n, "")
	if !ok || !d.mapping(n, "", "a document") {
		return nil
	}
	pairs := d.pairs(n, "")
	doc := &Document{Pos: d.pos(n), places: d.places, Namespace: DefaultNamespace}
	var kindNode, versionNode, metaNode, itemsNode *yaml.Node
	for _, p := range pairs {
		switch p.name {
		case "kind":
			kindNode = p.value
			doc.Kind, _ = d.text(p.value, "kind", "kind")
		case "apiVersion":
			versionNode = p.value
			doc.APIVersion, _ = d.text(p.value, "apiVersion", "apiVersion")
		case "metadata":
			metaNode = p.value
		case "items":
			itemsNode = p.value
		}
	}
	if kindNode == nil {
		d.errorf("MISSING-FIELD", n, "kind", "the document has no kind")
		d.diags.Hint("supported: %s", strings.Join(kindNames(), ", "))
	}
	if versionNode == nil {
		d.errorf("MISSING-FIELD", n, "apiVersion", "the document has no apiVersion")
	}
	if doc.Kind == "" || doc.APIVersion == "" {
		return nil
	}
	if strings.HasSuffix(doc.Kind, "List") && itemsNode != nil {
		return d.list(file, itemsNode, diags)
	}
	k, ok := d.kindOf(doc, kindNode, versionNode)
	if !ok {
		return nil
	}
	d.meta(doc, metaNode, n)
	if doc.Name == "" {
		return nil
	}
	k.decode(d, n, pairs, doc)
	doc.broken = d.broken
	return []*Document{doc}
}

func (d *decoder) list(file string, items *yaml.Node, diags *diag.List) []*Document {
	items, ok := d.enter(items, "items")
	if !ok || isNull(items) || !d.sequence(items, "items", "items") {
		return nil
	}
	defer d.leave()
	var docs []*Document
	for _, item := range items.Content {
		if item.Kind == yaml.AliasNode { // an alias could lead back to the list itself
			d.errorf("WRONG-TYPE", item, "items", "an item of a List cannot be an alias")
			continue
		}
		docs = append(docs, document(file, item, diags)...)
	}
	return docs
}

var (
	objectName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
)

func (d *decoder) meta(doc *Document, n, root *yaml.Node) {
	var m metadata
	if n != nil {
		d.places["metadata"] = d.pos(n)
		d.into(n, reflect.ValueOf(&m).Elem(), "metadata", "metadata")
	}
	if m.Name == "" {
		if !slices.Contains(d.broken, "metadata.name") {
			at := root
			if n != nil {
				at = n
			}
			d.errorf("MISSING-NAME", at, "metadata.name", "the %s has no name", doc.Kind)
			d.diags.Hint("set metadata.name")
		}
		return
	}
	doc.Name, doc.Labels, doc.Annotations = m.Name, m.Labels, m.Annotations
	if m.Namespace != "" {
		doc.Namespace = m.Namespace
	}
	d.checkName(doc, "metadata.name", doc.Name, objectName, 253)
	d.checkName(doc, "metadata.namespace", doc.Namespace, namespaceName, 63)
}

func (d *decoder) checkName(doc *Document, path, name string, form *regexp.Regexp, most int) {
	if form.MatchString(name) && len(name) <= most {
		return
	}
	d.diags.Add(diag.Diagnostic{
		Code: "BAD-NAME", Pos: doc.Where(path), Path: path,
		Message: "the name " + strconv.Quote(shorten(name)) + " is not valid",
		Hint:    "small letters, digits and dashes, at most " + strconv.Itoa(most) + " characters, a letter or digit at both ends",
	})
}
