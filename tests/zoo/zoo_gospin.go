// SPDX-License-Identifier: Apache-2.0

// zoo_gospin: the smallest Go program that spends time in functions of its own; quick to build in
// every mode.
package main

import "os"

//go:noinline
func spin(rounds int) (sum int) {
	for i := 0; i < rounds; i++ {
		sum += i ^ sum<<1
	}
	return sum
}

//go:noinline
func turn(depth int) int {
	if depth == 0 {
		return spin(100000)
	}
	return turn(depth-1) + 1
}

func main() {
	os.Stdout.WriteString("ready\n")
	for {
		turn(5)
	}
}
