SIZE = 64 << 20
