"""SAM (ViT-B, ViT-L, ViT-H) and MobileSAM."""
