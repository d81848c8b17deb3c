"""What somebody trusted states about an image: in-toto statements in, what they say and whether it suffices out."""
