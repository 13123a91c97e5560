/* The floor of fan-out: what the kernel takes for sendmsg of the same bytes to the same number of connections, with
 * nothing above it. The sender is this process on one core; the receiver is a child on the other, which only reads and
 * never sleeps, like the load client.
 *
 *   floor CONNECTIONS BYTES ROUNDS_PER_S SECONDS SENDER_CORE RECEIVER_CORE
 *
 * ROUNDS_PER_S 0 = as fast as it goes. A round is one sendmsg per connection. Prints one JSON object: CPU us per send. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double clock_s(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void receive(int port, int count, int core) {
    static char buffer[1 << 20];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event events[1024];
    int poll = epoll_create1(0), open = count;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pin(core);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        event.data.fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(event.data.fd, (struct sockaddr *)&address, sizeof address)) die("connect");
        epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
    }
    while (open) {
        int ready = epoll_wait(poll, events, 1024, 0);
        for (int i = 0; i < ready; i++)
            if (recv(events[i].data.fd, buffer, sizeof buffer, 0) <= 0) {
                epoll_ctl(poll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
                open--;
            }
    }
    _exit(0);
}

static int *accept_all(int count, int receiver_core) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    int *sockets = calloc(count, sizeof *sockets);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 2048)) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    if (fork() == 0) receive(ntohs(address.sin_port), count, receiver_core);
    for (int i = 0; i < count; i++) {
        sockets[i] = accept(listener, NULL, NULL);
        setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return sockets;
}

static void send_one(int fd, char *data, size_t size) {
    struct iovec part = {data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    while (part.iov_len) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) die("sendmsg");
        if (sent > 0) {
            part.iov_base = (char *)part.iov_base + sent;
            part.iov_len -= sent;
        }
    }
}

static void wait_until(double at_s) {
    struct timespec until = {(time_t)at_s, (long)((at_s - (time_t)at_s) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {}
}

int main(int argc, char **argv) {
    if (argc != 7) return fprintf(stderr, "floor: six arguments\n"), 1;
    int count = atoi(argv[1]), size = atoi(argv[2]), per_s = atoi(argv[3]);
    double seconds = atof(argv[4]);
    char *data = calloc(1, size);
    int *sockets = accept_all(count, atoi(argv[6]));
    long rounds = 0;
    pin(atoi(argv[5]));
    double begin_s = clock_s(CLOCK_MONOTONIC), cpu_s = clock_s(CLOCK_PROCESS_CPUTIME_ID), now_s = begin_s;
    for (; now_s - begin_s < seconds; rounds++, now_s = clock_s(CLOCK_MONOTONIC)) {
        for (int i = 0; i < count; i++) send_one(sockets[i], data, size);
        if (per_s) wait_until(begin_s + (double)(rounds + 1) / per_s);
    }
    double us = (clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_s) * 1e6 / ((double)rounds * count);
    printf("{\"us_per_send\": %.4f, \"sends_per_s\": %.0f}\n", us, rounds * count / (now_s - begin_s));
    for (int i = 0; i < count; i++) close(sockets[i]);
    wait(NULL);
    return 0;
}
