package main

func Example() {
	main()
	// Output:
	// [Iliad Odyssey] <nil>
	// 3 <nil>
	// [0 1] <nil>
	// 2026-05-15 <nil>
	// there is no book 99
	// the shelf by the door
	// [Theogony Iliad] <nil>
}
