// Go's server of the group http.
package main

import (
	"io"
	"net/http"
	"runtime"
)

var httpNames = []string{"http_64", "http_1000"}

func serveHTTP() {
	runtime.GOMAXPROCS(1)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, World!")
	})
	fail(http.Serve(listen(), nil).Error())
}
