"""How the gate keeps its serving certificates by itself: an authority in a Secret, and what the API servers believe."""
