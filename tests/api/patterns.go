// Reads a JSON list of patterns and compiles each with Go's regexp; prints what does not compile.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

func main() {
	var patterns []string
	if err := json.NewDecoder(os.Stdin).Decode(&patterns); err != nil {
		fmt.Println(err)
	}
	for _, pattern := range patterns {
		if _, err := regexp.Compile(pattern); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(len(patterns), "patterns")
}
