// SPDX-License-Identifier: Apache-2.0

// zoo_go MODE: a Go program for the profiler's tests; standard library alone, any Go from 1.18 on.
//
//	http        serves JSON on a free port, which it prints
//	crypto      hashes, in assembly that uses RBP for data
//	goroutines  many goroutines, channels, garbage collection, preemption, timers
//	signals     interrupts itself, as the runtime does now and then to preempt
//	inline      functions that are inlined into their caller, at known lines
//	frames      prints "ADDRESS FUNCTION FILE:LINE" for addresses of its own code, as Go's runtime
//	            knows them, and ends
package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"sort"
	"sync"
	"syscall"
	"time"
)

type item struct {
	Name string `json:"name"`
	Sum  string `json:"sum"`
}

// Most of a request by far, whatever connections and collecting garbage cost on a machine.
//
//go:noinline
func render(count int) []item {
	var items []item
	for i := 0; i < count; i++ {
		sum := sha256.Sum256([]byte(fmt.Sprint("item", i)))
		for round := 0; round < 300; round++ {
			sum = sha256.Sum256(sum[:])
		}
		items = append(items, item{fmt.Sprintf("n%d", i), fmt.Sprintf("%x", sum)})
	}
	sort.Slice(items, func(a, b int) bool { return items[a].Sum < items[b].Sum })
	return items
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(render(50))
	})
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, nil))
}

var sink byte

//go:noinline
func hash(data []byte) {
	a := sha256.Sum256(data)
	b := sha512.Sum512(data)
	sink += a[0] + b[0]
}

//go:noinline
func seal(data []byte) {
	block, _ := aes.NewCipher(make([]byte, 16))
	gcm, _ := cipher.NewGCM(block)
	sink += gcm.Seal(nil, make([]byte, gcm.NonceSize()), data, nil)[0]
}

func crypto() {
	data := make([]byte, 16<<10)
	fmt.Println("ready")
	for {
		hash(data)
		seal(data[:1<<10]) // less, for where AES is not in hardware
	}
}

type node struct {
	left, right *node
	value       [4]int
}

//go:noinline
func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

// A loop without calls: the runtime can stop it by a signal only.
//
//go:noinline
func spin(rounds int) (sum int) {
	for i := 0; i < rounds; i++ {
		sum += i ^ sum<<1
	}
	return sum
}

type number interface{ ~int | ~int64 }

//go:noinline
func total[T number](values []T) (sum T) {
	for _, value := range values {
		sum += value
	}
	return sum
}

var values [10000]int

func work(in <-chan int, out chan<- int, lock *sync.Mutex) {
	for count := range in {
		lock.Lock()
		kept := tree(6)
		lock.Unlock()
		out <- spin(count) + kept.value[0] + total(values[:])
		time.Sleep(time.Microsecond)
	}
}

func goroutines() {
	in, out := make(chan int), make(chan int)
	var lock sync.Mutex
	for i := 0; i < 200; i++ {
		go work(in, out, &lock)
	}
	go func() {
		for {
			in <- len(values)
		}
	}()
	fmt.Println("ready")
	for range out {
		time.Now()
	}
}

func signals() {
	runtime.LockOSThread()
	process, thread := syscall.Getpid(), syscall.Gettid()
	fmt.Println("ready")
	for {
		syscall.Tgkill(process, thread, syscall.SIGURG)
	}
}

// The compiler inlines these two; the test knows them by their lines.
func innermost(x int) int {
	for i := 0; i < 1000; i++ {
		x = x*31 + i // line:innermost
	}
	return x
}

func middle(x int) int {
	return innermost(x) + 1 // line:middle
}

//go:noinline
func outer(x int) int {
	return middle(x) * 3 // line:outer
}

func inline() {
	fmt.Println("ready")
	for x := 0; ; {
		x = outer(x)
		sink = byte(x)
	}
}

func frames() {
	around := []interface{}{frames, json.Marshal, http.Serve, sort.Slice, runtime.GC}
	for _, function := range around {
		pc := reflect.ValueOf(function).Pointer()
		for i := uintptr(0); i < 800; i++ {
			// One byte more: CallersFrames takes return addresses; not the end of padding,
			// where that is the next function.
			if next := runtime.FuncForPC(pc + i*7 + 1); next != nil && next.Entry() == pc+i*7+1 {
				continue
			}
			frame, _ := runtime.CallersFrames([]uintptr{pc + i*7 + 1}).Next()
			if frame.Func != nil || frame.Function != "" {
				fmt.Printf("%x %s %s:%d\n", pc+i*7, frame.Function, frame.File, frame.Line)
			}
		}
	}
}

func main() {
	modes := map[string]func(){"http": serve, "crypto": crypto, "goroutines": goroutines,
		"signals": signals, "inline": inline, "frames": frames}
	if len(os.Args) != 2 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: zoo_go http|crypto|goroutines|signals|inline|frames")
		os.Exit(2)
	}
	modes[os.Args[1]]()
}
