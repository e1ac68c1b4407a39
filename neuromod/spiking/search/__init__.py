"""How conversions are made and measured while the number of substeps is looked for."""
