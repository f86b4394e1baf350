"""The coordinator: serves the page, and makes many tabs and headless workers one data-parallel run."""
