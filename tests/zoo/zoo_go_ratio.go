// SPDX-License-Identifier: Apache-2.0

// The server of zoo_ratio.c in Go: /zero, /one and /ten cost so many units. Prints its port.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
)

var sink uint64

func burn(units int) {
	x := uint64(1)
	for i := 0; i < units*400000; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	sink += x
}

func main() {
	for path, units := range map[string]int{"/zero": 0, "/one": 1, "/ten": 10} {
		n := units
		http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			burn(n)
			io.WriteString(w, "ok")
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, nil))
}
