"""How good translations are: measures over images and over the features of images."""
