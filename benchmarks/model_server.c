/* load_generator model --port P: chat completions as OpenAI streams them.

   The last «[[deltas N every MS]]» in a request gives the number of deltas and the pause between them; without it there
   are 20 without a pause. Each delta is a separate write, and its text is the time of that write: «@123456789012 ». */
#define _GNU_SOURCE
#include "load_generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FILES 65536
#define ANSWER_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CHUNK "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"compiled\",\"choices\":"

struct reply {
    struct bytes in, out;
    bool counts_wanted, running;
    long written, deltas;
    micros every, due;
};

static struct reply *replies[MAX_FILES];
/* Replies with a pause: few enough to check each whenever the earliest is due. */
static int running[MAX_FILES], running_count;
static int epoll;

static void send_out(int fd, struct reply *reply)
{
    ssize_t sent = write(fd, reply->out.at, reply->out.used);
    if (sent > 0)
        drop_front(&reply->out, (size_t)sent);
    else if (sent < 0 && errno != EAGAIN)
        reply->out.used = 0;
    watch(epoll, fd, reply->out.used ? EPOLLIN | EPOLLOUT : EPOLLIN, (void *)(long)fd);
}

static void send_text(int fd, struct reply *reply, const char *text)
{
    bool stuck = reply->out.used;
    add(&reply->out, text, strlen(text));
    if (stuck)
        return;
    ssize_t sent = write(fd, reply->out.at, reply->out.used);
    if (sent == (ssize_t)reply->out.used)
        reply->out.used = 0;
    else {
        if (sent > 0)
            drop_front(&reply->out, (size_t)sent);
        watch(epoll, fd, EPOLLIN | EPOLLOUT, (void *)(long)fd);
    }
}

static void send_event(int fd, struct reply *reply, const char *data, const char *after)
{
    char text[1024];
    snprintf(text, sizeof text, "%zx\r\ndata: %s\n\n\r\n%s", strlen(data) + 8, data, after);
    send_text(fd, reply, text);
}

static void send_delta(int fd, struct reply *reply)
{
    char data[512];
    snprintf(data, sizeof data, CHUNK "[{\"index\":0,\"delta\":{\"content\":\"@%lld \"},\"finish_reason\":null}]}", now());
    send_event(fd, reply, data, "");
    reply->written++;
}

static void send_end(int fd, struct reply *reply)
{
    char data[512];
    send_event(fd, reply, CHUNK "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}", "");
    if (reply->counts_wanted) {
        snprintf(data, sizeof data, CHUNK "[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":%ld,\"total_tokens\":%ld}}",
                 reply->written, reply->written + 9);
        send_event(fd, reply, data, "");
    }
    send_event(fd, reply, "[DONE]", "0\r\n\r\n");
}

static void begin(int fd, struct reply *reply, const char *body)
{
    long deltas = 20, pause = 0;
    const char *last = NULL;
    /* Earlier ones belong to messages that were answered before. */
    for (const char *found = body; (found = strstr(found, "[[deltas ")); found++)
        last = found;
    if (last)
        sscanf(last, "[[deltas %ld every %ld]]", &deltas, &pause);
    reply->counts_wanted = strstr(body, "\"include_usage\"");
    reply->written = 0;
    reply->deltas = deltas;
    reply->every = pause * 1000;
    send_text(fd, reply, ANSWER_HEAD);
    send_event(fd, reply, CHUNK "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}", "");
    if (pause) {
        /* A random phase, so that replies that began together do not write together. */
        reply->due = now() + random() % reply->every;
        reply->running = true;
        running[running_count++] = fd;
        return;
    }
    while (reply->written < deltas)
        send_delta(fd, reply);
    send_end(fd, reply);
}

static void read_requests(int fd, struct reply *reply)
{
    const char *end;
    while (reply->in.used && (end = strstr(reply->in.at, "\r\n\r\n"))) {
        const char *length = strcasestr(reply->in.at, "content-length:");
        size_t head = (size_t)(end - reply->in.at) + 4;
        size_t whole = head + (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
        if (reply->in.used < whole)
            return;
        if (!strncmp(reply->in.at, "POST ", 5))
            begin(fd, reply, reply->in.at + head);
        else
            send_text(fd, reply, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        drop_front(&reply->in, whole);
    }
}

static void close_client(int fd)
{
    struct reply *reply = replies[fd];
    for (int n = 0; reply->running && n < running_count; n++)
        if (running[n] == fd)
            running[n--] = running[--running_count];
    free(reply->in.at);
    free(reply->out.at);
    free(reply);
    replies[fd] = NULL;
    close(fd);
}

static void receive(int fd)
{
    char data[65536];
    ssize_t length = read(fd, data, sizeof data);
    if (length > 0) {
        add(&replies[fd]->in, data, (size_t)length);
        read_requests(fd, replies[fd]);
    } else if (length == 0 || errno != EAGAIN)
        close_client(fd);
}

static void accept_clients(int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        replies[fd] = calloc(1, sizeof(struct reply));
        watch(epoll, fd, EPOLLIN, (void *)(long)fd);
    }
}

/* Sends what is due. Returns the milliseconds until the next is due, or -1. */
static int send_due(void)
{
    micros earliest = 0, moment = now();
    for (int n = 0; n < running_count; n++) {
        struct reply *reply = replies[running[n]];
        if (reply->due <= moment) {
            send_delta(running[n], reply);
            reply->due += reply->every;
        }
        if (reply->written == reply->deltas) {
            send_end(running[n], reply);
            reply->running = false;
            running[n--] = running[--running_count];
        } else if (!earliest || reply->due < earliest)
            earliest = reply->due;
    }
    if (!earliest)
        return -1;
    moment = now();
    return earliest <= moment ? 0 : (int)((earliest - moment + 999) / 1000);
}

int run_model(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)number("--port", 9009))};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096))
        fail("listening");
    epoll = epoll_create1(0);
    watch(epoll, listener, EPOLLIN, (void *)(long)listener);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, send_due());
        for (int n = 0; n < count; n++) {
            int fd = (int)(long)events[n].data.ptr;
            if (fd == listener)
                accept_clients(listener);
            else if (events[n].events & EPOLLOUT)
                send_out(fd, replies[fd]);
            else
                receive(fd);
        }
    }
}
