"""What switches share: off and on again with proof, HTTP, programs. One file each."""
