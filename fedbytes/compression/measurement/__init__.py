"""Rate, distortion, speed and memory of codecs, from the bytes that they write."""
