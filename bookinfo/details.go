package bookinfo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// book is what details answers.
type book struct {
	ID        int    `json:"id"`
	Author    string `json:"author"`
	Year      any    `json:"year"`
	Type      string `json:"type"`
	Pages     int    `json:"pages"`
	Publisher string `json:"publisher"`
	Language  string `json:"language"`
	ISBN10    string `json:"ISBN-10"`
	ISBN13    string `json:"ISBN-13"`
}

// The public book service that details v2 asks, and the book it asks for.
const (
	booksHost = "www.googleapis.com"
	booksPath = "/books/v1/volumes?q=isbn:"
	booksISBN = "0486424618"
)

type details struct {
	*service
	books string // URL of the book in the public service; empty: the built-in book
}

func newDetails(s *service) (http.Handler, error) {
	d := &details{service: s}
	if s.flag("ENABLE_EXTERNAL_BOOK_SERVICE") {
		d.books = "https://" + booksHost + booksPath + booksISBN
		if s.flag("DO_NOT_ENCRYPT") { // a rule of the mesh encrypts instead
			d.books = "http://" + booksHost + booksPath + booksISBN
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, health{"Details is healthy"})
	})
	mux.HandleFunc("GET /details/{id}", d.get)
	return mux, nil
}

func (d *details) get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, failure{"please provide numeric product id"})
		return
	}
	b := book{
		ID: id, Author: "William Shakespeare", Year: 1595, Type: "paperback", Pages: 200, Publisher: "PublisherA",
		Language: "English", ISBN10: "1234567890", ISBN13: "123-1234567890",
	}
	if d.books != "" {
		if b, err = d.fetch(r, id); err != nil {
			d.log.WarnContext(r.Context(), "book service", "err", err)
			writeJSON(w, http.StatusBadGateway, failure{"could not fetch the book from the external book service"})
			return
		}
	}
	writeJSON(w, http.StatusOK, b)
}

// fetch asks the public book service.
func (d *details) fetch(r *http.Request, id int) (book, error) {
	a, err := d.out.get(r.Context(), d.books, passOn(r), d.Timeouts.Books)
	if err != nil {
		return book{}, err
	}
	if a.status != http.StatusOK {
		return book{}, fmt.Errorf("%s answered %d", booksHost, a.status)
	}
	var found struct {
		Items []struct {
			VolumeInfo struct {
				Authors             []string
				Publisher           string
				PublishedDate       string
				PageCount           int
				PrintType           string
				Language            string
				IndustryIdentifiers []struct{ Type, Identifier string }
			}
		}
	}
	if err := json.Unmarshal(a.body, &found); err != nil {
		return book{}, fmt.Errorf("%s: %w", booksHost, err)
	}
	if len(found.Items) == 0 || len(found.Items[0].VolumeInfo.Authors) == 0 {
		return book{}, fmt.Errorf("%s: no such book", booksHost)
	}
	v := found.Items[0].VolumeInfo
	b := book{
		ID: id, Author: v.Authors[0], Year: v.PublishedDate, Pages: v.PageCount,
		Publisher: cmp.Or(v.Publisher, "unknown"), Language: "unknown", Type: "unknown",
	}
	if v.Language == "en" {
		b.Language = "English"
	}
	if strings.EqualFold(v.PrintType, "book") {
		b.Type = "paperback"
	}
	for _, n := range v.IndustryIdentifiers {
		switch n.Type {
		case "ISBN_10":
			b.ISBN10 = n.Identifier
		case "ISBN_13":
			b.ISBN13 = n.Identifier
		}
	}
	return b, nil
}
