/* The part of HTTP/1.1 that the API's responses use: a length or chunks. */
#define _GNU_SOURCE
#include "load_generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void read_field(struct answer *answer)
{
    const char *line = answer->line.at;
    if (!strncmp(line, "HTTP/1.1 ", 9))
        answer->status = atoi(line + 9);
    else if (!strncasecmp(line, "content-length:", 15))
        answer->left = strtoul(line + 15, NULL, 10);
    else if (!strncasecmp(line, "transfer-encoding:", 18))
        answer->chunked = strcasestr(line, "chunked");
    else if (line[0] == '\n' || line[0] == '\r') {
        answer->part = answer->chunked ? SIZE : FIXED;
        answer->whole = !answer->chunked && !answer->left;
    }
}

static void read_line(struct answer *answer)
{
    switch (answer->part) {
    case HEAD:
        read_field(answer);
        break;
    case SIZE:
        answer->left = strtoul(answer->line.at, NULL, 16);
        answer->part = answer->left ? DATA : LAST;
        break;
    case DATA_END:
        answer->part = SIZE;
        break;
    default:
        answer->whole = true;
    }
}

void take(struct answer *answer, const char *data, size_t length, body_taker *body, void *owner)
{
    while (length && !answer->whole) {
        size_t taken;
        if (answer->part == FIXED || answer->part == DATA) {
            taken = length < answer->left ? length : answer->left;
            body(owner, data, taken);
            answer->left -= taken;
            if (!answer->left && answer->part == FIXED)
                answer->whole = true;
            else if (!answer->left)
                answer->part = DATA_END;
        } else {
            const char *end = memchr(data, '\n', length);
            taken = end ? (size_t)(end - data) + 1 : length;
            add(&answer->line, data, taken);
            if (end) {
                read_line(answer);
                answer->line.used = 0;
            }
        }
        data += taken;
        length -= taken;
    }
}

void next_answer(struct answer *answer)
{
    struct bytes line = answer->line;
    line.used = 0;
    *answer = (struct answer){.line = line};
}
