// SPDX-License-Identifier: Apache-2.0

// zoo_cgo: Go that calls C that calls Go, each busy for a third of the time.
package main

/*
#include <stdint.h>

extern uint64_t goBack(uint64_t);

static __attribute__((noinline)) uint64_t busy_in_c(uint64_t x)
{
	for (int i = 0; i < 20000; i++)
		x = x * 31 + (uint64_t)i;
	return x;
}

static __attribute__((noinline)) uint64_t through_c(uint64_t x)
{
	return goBack(busy_in_c(x)) + 1;
}
*/
import "C"

import "fmt"

//go:noinline
func busyInGo(x uint64) uint64 {
	for i := uint64(0); i < 20000; i++ {
		x = x*31 + i
	}
	return x
}

//export goBack
func goBack(x C.uint64_t) C.uint64_t {
	return C.uint64_t(busyInGo(uint64(x)))
}

//go:noinline
func round(x uint64) uint64 {
	return uint64(C.through_c(C.uint64_t(busyInGo(x))))
}

func main() {
	fmt.Println("ready")
	for x := uint64(1); ; {
		x = round(x)
	}
}
