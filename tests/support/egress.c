/* Writes down what a process puts on the network, for a test: into the folder PENSTOCK_EGRESS the files
       answers   bytes on sockets whose own port is PENSTOCK_EGRESS_PORT: what the receiver answers to its senders
       out       bytes on all other Internet sockets, as they are on the wire
       tls       bytes given to TLS, before they are encrypted
   Preloaded into all processes of the gateway. Nothing is kept open: workers close the descriptors that they find. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void keep(const char *kind, const void *data, size_t size) {
    const char *folder = getenv("PENSTOCK_EGRESS");
    char path[4096];
    int before = errno;
    if (folder && size && snprintf(path, sizeof path, "%s/%s", folder, kind) < (int)sizeof path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || syscall(SYS_write, fd, data, size) != (long)size) abort(); /* what is not seen must not pass for clean */
        syscall(SYS_close, fd);
    }
    errno = before;
}

static const char *kind_of(int fd) {
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    int before = errno, port = -1;
    if (!getsockname(fd, (struct sockaddr *)&own, &size)) {
        if (own.ss_family == AF_INET) port = ntohs(((struct sockaddr_in *)&own)->sin_port);
        if (own.ss_family == AF_INET6) port = ntohs(((struct sockaddr_in6 *)&own)->sin6_port);
    }
    errno = before;
    const char *receiver = getenv("PENSTOCK_EGRESS_PORT");
    return port < 0 ? NULL : receiver && atoi(receiver) == port ? "answers" : "out";
}

static void keep_parts(int fd, const struct iovec *parts, size_t count, ssize_t sent) {
    const char *kind = kind_of(fd);
    for (size_t i = 0; kind && i < count && sent > 0; sent -= (ssize_t)parts[i++].iov_len)
        keep(kind, parts[i].iov_base, (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len);
}

static ssize_t keep_sent(int fd, const void *data, ssize_t sent) {
    struct iovec part = {(void *)data, sent > 0 ? (size_t)sent : 0};
    if (sent > 0) keep_parts(fd, &part, 1, sent);
    return sent;
}

ssize_t write(int fd, const void *data, size_t size) { return keep_sent(fd, data, REAL(write)(fd, data, size)); }

ssize_t send(int fd, const void *data, size_t size, int flags) {
    return keep_sent(fd, data, REAL(send)(fd, data, size, flags));
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    return keep_sent(fd, data, REAL(sendto)(fd, data, size, flags, to, length));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t sent = REAL(writev)(fd, parts, count);
    keep_parts(fd, parts, (size_t)count, sent);
    return sent;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    ssize_t sent = REAL(sendmsg)(fd, message, flags);
    keep_parts(fd, message->msg_iov, message->msg_iovlen, sent);
    return sent;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
    int done = REAL(sendmmsg)(fd, messages, count, flags);
    for (int i = 0; i < done; ++i)
        keep_parts(fd, messages[i].msg_hdr.msg_iov, messages[i].msg_hdr.msg_iovlen, (ssize_t)messages[i].msg_len);
    return done;
}

ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    off_t at = offset ? *offset : lseek(in, 0, SEEK_CUR);
    ssize_t sent = REAL(sendfile)(out, in, offset, count);
    char data[65536];
    for (ssize_t left = sent; kind_of(out) && left > 0;) {
        ssize_t got = pread(in, data, (size_t)left < sizeof data ? (size_t)left : sizeof data, at);
        if (got <= 0) abort();
        keep_sent(out, data, got);
        left -= got;
        at += got;
    }
    return sent;
}

ssize_t sendfile64(int out, int in, off_t *offset, size_t count) { return sendfile(out, in, offset, count); }

static void *real_tls(const char *name) {
    void *library = dlopen("libssl.so.3", RTLD_LAZY | RTLD_NOLOAD); /* Python loads it for itself: RTLD_NEXT does not see it */
    void *found = library ? dlsym(library, name) : NULL;
    if (!found) abort();
    return found;
}

int SSL_write_ex(void *ssl, const void *data, size_t size, size_t *written) {
    int (*real)(void *, const void *, size_t, size_t *) = real_tls("SSL_write_ex");
    int done = real(ssl, data, size, written);
    if (done > 0) keep("tls", data, *written);
    return done;
}

int SSL_write(void *ssl, const void *data, int size) {
    int (*real)(void *, const void *, int) = real_tls("SSL_write");
    int done = real(ssl, data, size);
    if (done > 0) keep("tls", data, (size_t)done);
    return done;
}
