// SPDX-License-Identifier: MIT

// An echo server in Go: go_echo PORT
package main

import (
	"fmt"
	"net"
	"os"
)

func session(peer net.Conn) {
	defer peer.Close()
	buffer := make([]byte, 16384)
	for {
		size, err := peer.Read(buffer)
		if err != nil {
			return
		}
		if _, err = peer.Write(buffer[:size]); err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	for {
		peer, err := listener.Accept()
		if err != nil {
			return
		}
		go session(peer)
	}
}
