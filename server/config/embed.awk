# Turns a text into a C header: static const char NAME[] = {...}; byte for byte. usage: awk -v name=NAME -f embed.awk
# An array and not a string, because C11 promises only 4,095 characters of the latter.
BEGIN {
    for (i = 32; i < 127; i++)
        code[sprintf("%c", i)] = i
    printf "static const char %s[] = {\n", name
}
{
    line = ""
    for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        if (!(c in code)) {
            printf "embed.awk: %s:%d: only printable ASCII can be embedded\n", FILENAME, FNR >"/dev/stderr"
            failed = 1
            exit 1
        }
        line = line code[c] ","
    }
    print line "10,"
}
END {
    if (failed)
        exit 1
    print "0};"
}
