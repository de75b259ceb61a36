// Reads a trail with the code that checks Go's own module sums, which knows nothing of ours.
//
// judge DIR: DIR holds the objects of a log, `checkpoint`, `key` (a verifier's key), and `proofs`, one a line:
// `included INDEX` or `grew OLD OLDROOT`, then the hashes of the proof, all in base64. Every entry of the log is checked, and
// every proof is compared with the one that this program makes of the tiles. Prints the number of entries and proofs.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func refuse(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}

func must(err error, what string) {
	if err != nil {
		refuse("%s: %v", what, err)
	}
}

// tiles reads tiles from the folder. Their names lack the height, which is 8.
type tiles struct{ dir string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		name := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := os.ReadFile(filepath.Join(t.dir, name))
		if err != nil {
			return nil, err
		}
		all = append(all, bytes)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func hashOf(text string) tlog.Hash {
	bytes, err := base64.StdEncoding.DecodeString(text)
	must(err, "a hash")
	if len(bytes) != tlog.HashSize {
		refuse("a hash of %d bytes", len(bytes))
	}
	var hash tlog.Hash
	copy(hash[:], bytes)
	return hash
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	must(err, "a number")
	return n
}

// entries reads every bundle, and gives the hash of each entry.
func entries(dir string, size int64) []tlog.Hash {
	var hashes []tlog.Hash
	for at := int64(0); at < size; at += 256 {
		width := size - at
		if width > 256 {
			width = 256
		}
		name := tlog.Tile{H: 8, L: 0, N: at / 256, W: int(width)}.Path()
		name = strings.Replace(name, "tile/8/0/", "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(dir, name))
		must(err, "a bundle")
		for ; len(bundle) > 0; width-- {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				refuse("%s ends within an entry", name)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			hashes = append(hashes, tlog.RecordHash(bundle[2:end]))
			bundle = bundle[end:]
		}
		if width != 0 {
			refuse("%s has another number of entries", name)
		}
	}
	return hashes
}

func main() {
	dir := os.Args[1]
	key, err := os.ReadFile(filepath.Join(dir, "key"))
	must(err, "the key")
	verifier, err := note.NewVerifier(string(key))
	must(err, "the key")
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	must(err, "the checkpoint")
	opened, err := note.Open(signed, note.VerifierList(verifier))
	must(err, "the checkpoint")
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		refuse("the checkpoint is another log's")
	}
	tree := tlog.Tree{N: number(lines[1]), Hash: hashOf(lines[2])}
	reader := tlog.TileHashReader(tree, tiles{dir})

	for at, hash := range entries(dir, tree.N) {
		kept, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(at))})
		must(err, fmt.Sprintf("the hash of entry %d", at))
		if kept[0] != hash {
			refuse("entry %d is not the one that was hashed", at)
		}
	}

	proofs, err := os.Open(filepath.Join(dir, "proofs"))
	must(err, "the proofs")
	count := 0
	for scanner := bufio.NewScanner(proofs); scanner.Scan(); count++ {
		words := strings.Fields(scanner.Text())
		var own []tlog.Hash
		switch words[0] {
		case "included":
			index := number(words[1])
			own = hashes(words[2:])
			made, err := tlog.ProveRecord(tree.N, index, reader)
			must(err, "a proof")
			same(own, made, scanner.Text())
			kept, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			must(err, "a hash")
			must(tlog.CheckRecord(own, tree.N, tree.Hash, index, kept[0]), scanner.Text())
		case "grew":
			old := number(words[1])
			own = hashes(words[3:])
			made, err := tlog.ProveTree(tree.N, old, reader)
			must(err, "a proof")
			same(own, made, scanner.Text())
			must(tlog.CheckTree(own, tree.N, tree.Hash, old, hashOf(words[2])), scanner.Text())
		default:
			refuse("what is %q?", words[0])
		}
	}
	fmt.Printf("%d entries, %d proofs\n", tree.N, count)
}

func hashes(words []string) []tlog.Hash {
	all := []tlog.Hash{}
	for _, word := range words {
		all = append(all, hashOf(word))
	}
	return all
}

func same(own, made []tlog.Hash, what string) {
	if len(own) != len(made) || (len(own) > 0 && !reflect.DeepEqual(own, made)) {
		refuse("%s: the proof is another one", what)
	}
}
