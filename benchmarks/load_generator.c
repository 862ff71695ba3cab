/* Clients and a model for the benchmarks. Compiled, since Python would be the bottleneck. Linux, one thread, only libc.

   load_generator model --port P          an OpenAI-compatible server that streams: see model_server.c
   load_generator chat --port P …         clients that post messages and read their replies' streams: see chat_clients.c */
#define _GNU_SOURCE
#include "load_generator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

static char **words;

micros now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

void fail(const char *what)
{
    fprintf(stderr, "load_generator: %s: %s\n", what, strerror(errno));
    exit(1);
}

void add(struct bytes *to, const char *data, size_t length)
{
    if (to->used + length + 1 > to->capacity) {
        to->capacity = 2 * (to->used + length + 1);
        to->at = realloc(to->at, to->capacity);
        if (!to->at)
            fail("memory");
    }
    memcpy(to->at + to->used, data, length);
    to->used += length;
    to->at[to->used] = 0;
}

void drop_front(struct bytes *from, size_t length)
{
    memmove(from->at, from->at + length, from->used - length + 1);
    from->used -= length;
}

const char *option(const char *name, const char *otherwise)
{
    for (char **word = words; word[0] && word[1]; word++)
        if (!strcmp(*word, name))
            return word[1];
    return otherwise;
}

long number(const char *name, long otherwise)
{
    const char *given = option(name, NULL);
    return given ? atol(given) : otherwise;
}

void watch(int epoll, int fd, unsigned events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) && epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event))
        fail("epoll");
}

int main(int count, char **given)
{
    struct rlimit files;
    words = given;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (count > 1 && !strcmp(given[1], "model"))
        return run_model();
    if (count > 1 && !strcmp(given[1], "chat"))
        return run_chat();
    fprintf(stderr, "load_generator model --port P | load_generator chat --port P --clients C …\n");
    return 2;
}
