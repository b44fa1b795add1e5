"""Why a number is another: the conventions in which frameworks differ, and the search for those that explain it."""
