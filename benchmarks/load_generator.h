/* Shared by the model and the clients. Times are CLOCK_MONOTONIC in microseconds, one clock for all processes. */
#ifndef LOAD_GENERATOR_H
#define LOAD_GENERATOR_H

#include <stdbool.h>
#include <stddef.h>

typedef long long micros;

struct bytes {
    char *at;
    size_t used, capacity;
};

micros now(void);
void fail(const char *what);
void add(struct bytes *, const char *data, size_t length);
void drop_front(struct bytes *, size_t length);
/* The value of «--name value», or `otherwise`. */
const char *option(const char *name, const char *otherwise);
long number(const char *name, long otherwise);
void watch(int epoll, int fd, unsigned events, void *data);

/* An HTTP response as it arrives. Initialize with zeros; `whole` is true once its last byte was taken. */
struct answer {
    enum { HEAD, FIXED, SIZE, DATA, DATA_END, LAST } part;
    bool chunked, whole;
    int status;
    size_t left;
    struct bytes line;
};

typedef void body_taker(void *owner, const char *data, size_t length);
void take(struct answer *, const char *data, size_t length, body_taker *, void *owner);
void next_answer(struct answer *);

int run_model(void);
int run_chat(void);

#endif
