// The precompiled header's own program: it only has to exist.
int main() { return 0; }
