"""Several coordinators that share one run: `distml serve --cluster`. Nothing here is imported without it."""
