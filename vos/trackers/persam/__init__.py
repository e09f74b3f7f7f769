"""PerSAM: personalised segmentation over a promptable backbone, on images and on video."""
