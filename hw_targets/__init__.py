"""Core grids and chips, one TOML file each; README.md explains the schema."""
