// Go's server of the group echo.
package main

import (
	"fmt"
	"net"
	"runtime"
)

var echoes = []string{"echo_1", "echo_64", "echo_1000", "echo_9900", "echo_64_4k", "echo_64_pipelined", "idle_9900", "tail_64",
	"echo_64_scaling"}

func session(c net.Conn) {
	defer c.Close()
	var bytes [8192]byte
	for {
		n, err := c.Read(bytes[:])
		if err != nil {
			return
		}
		if _, err := c.Write(bytes[:n]); err != nil {
			return
		}
	}
}

// Go can not wait without a buffer: a small one.
func idleSession(c net.Conn) {
	defer c.Close()
	bytes := make([]byte, 512)
	for {
		n, err := c.Read(bytes)
		if err != nil {
			return
		}
		if _, err := c.Write(bytes[:n]); err != nil {
			return
		}
	}
}

// One byte, and its answer.
func churnSession(c net.Conn) {
	defer c.Close()
	var said [1]byte
	if _, err := c.Read(said[:]); err == nil {
		c.Write(said[:])
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err.Error())
	}
	fmt.Printf("PORT %d\n", listener.Addr().(*net.TCPAddr).Port)
	return listener
}

func serve(workers int, session func(c net.Conn)) {
	runtime.GOMAXPROCS(workers)
	listener := listen()
	for {
		c, err := listener.Accept()
		if err != nil {
			fail(err.Error())
		}
		go session(c) // Go sets TCP_NODELAY by itself
	}
}
