// The load client of `make bench-fanout`: one thread, epoll, its own HTTP/2 reader. It reads every frame, checks the
// sequence of every journal event per stream, gives windows back, and measures; it never decodes a message beyond its
// top-level fields, so that it stays ahead of every server it measures. It never sleeps: a sleeping reader on the same
// machine would have to be woken by the server's every send, which costs more than the send and which no server pays
// whose clients are elsewhere. How busy it is, is the time that it did not find the sockets empty.
//
//   client name=value ...      see Options for the names; prints one JSON object, or fails with a line on stderr
//
// The window of measurement: every stream has had an event, then `warm_up_s` have passed (or a tenth of `events_each`
// has come, where a server has only so many); it ends after `seconds` (or at nine tenths). CPU of the server is its
// process's clock read at both ends of that same window, whatever language it is written in.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace {

enum Kind : uint8_t { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
constexpr uint8_t ACK = 0x1, END_STREAM = 0x1, END_HEADERS = 0x4, PADDED = 0x8;
constexpr uint32_t WINDOW_MAX = 0x7fffffff;
constexpr uint32_t WINDOW_DEFAULT = 65535;
constexpr uint64_t SEQUENCE_FIELD = 1000;  // trading.TradingEvent.sequence
constexpr char STAMP_MARK[] = "@@";         // before the 16 hex digits of the send time
constexpr size_t STAMP_DIGITS = 16;
constexpr size_t READ_BYTES = 1 << 20;
constexpr int RECEIVE_BYTES = 512 << 10;  // in the kernel: a server can be ahead of its client by little
constexpr int CONNECTS_AT_ONCE = 16;  // more would overflow the kernel's queue: SYNs are lost and come again much later
constexpr int CONNECT_PAUSE_US = 5000;
constexpr double DEADLINE_S = 30;  // for everything together beside the window itself

struct Options {
    int port = 0, connections = 1, streams_each = 1;
    long pid = 0, wrap = 0, events_each = 0;
    uint32_t window = WINDOW_MAX;
    double seconds = 2, warm_up_s = 0.5;
    bool stamped = false;
    std::string path, key = "none", request;
};

[[noreturn]] void fail(const std::string& what) {
    fprintf(stderr, "client: %s\n", what.c_str());
    exit(1);
}

int64_t now_ns() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

double cpu_s(clockid_t clock) {
    timespec time;
    if (clock_gettime(clock, &time)) fail("the server's CPU clock cannot be read");
    return time.tv_sec + time.tv_nsec / 1e9;
}

uint32_t read_be(const uint8_t* at, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
    return value;
}

std::string be(uint32_t value, int bytes) {
    std::string out;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
    return out;
}

std::string frame(uint8_t kind, uint8_t flags, uint32_t stream_id, const std::string& payload) {
    std::string out = be(payload.size(), 3);
    out += static_cast<char>(kind);
    out += static_cast<char>(flags);
    return out + be(stream_id, 4) + payload;
}

// HPACK without a dynamic table: names of the static table where there is one, values as plain literals.
std::string hpack_integer(uint32_t value, uint8_t prefix_max) {
    if (value < prefix_max) return std::string(1, static_cast<char>(value));
    std::string out(1, static_cast<char>(prefix_max));
    for (value -= prefix_max; value >= 128; value >>= 7) out += static_cast<char>(value | 0x80);
    return out + static_cast<char>(value);
}

std::string hpack_string(const std::string& text) { return hpack_integer(text.size(), 127) + text; }

std::string named(uint32_t name_index, const std::string& value) {
    return hpack_integer(name_index, 15) + hpack_string(value);
}

std::string header_block(const Options& options) {
    const char method_post = '\x83', scheme_http = '\x86';
    std::string out{method_post, scheme_http};
    out += named(4, options.path) + named(1, "bench") + named(31, "application/grpc");
    out += '\0' + hpack_string("te") + hpack_string("trailers");
    return out + '\0' + hpack_string("x-api-key") + hpack_string(options.key);
}

std::string from_hex(const std::string& hex) {
    std::string out;
    for (size_t i = 0; i + 1 < hex.size(); i += 2) out += static_cast<char>(stoi(hex.substr(i, 2), nullptr, 16));
    return out;
}

struct Totals {
    uint64_t deliveries = 0, bytes = 0, frames = 0, reads = 0, streams_begun = 0, errors = 0;
    std::string first_error;
    bool measuring = false;
    int64_t idle_ns = 0;
    std::vector<int64_t> latencies;

    void error(const std::string& what) {
        if (!errors++) first_error = what;
    }
};

// One response: messages are cut out of its DATA, wherever frames and reads happen to end.
struct Stream {
    std::string partial;
    int64_t sequence = 0;
    uint32_t consumed = 0;
    bool ended = false;

    void feed(const uint8_t* data, size_t size, const Options& options, Totals& totals) {
        if (!partial.empty()) {
            size_t taken = complete(data, size);
            if (!is_whole()) return;
            message(reinterpret_cast<const uint8_t*>(partial.data()) + 5, partial.size() - 5, options, totals);
            partial.clear();
            data += taken;
            size -= taken;
        }
        while (size >= 5) {
            size_t whole = 5 + read_be(data + 1, 4);
            if (size < whole) break;
            message(data + 5, whole - 5, options, totals);
            data += whole;
            size -= whole;
        }
        partial.assign(reinterpret_cast<const char*>(data), size);
    }

    size_t complete(const uint8_t* data, size_t size) {
        size_t taken = 0;
        while (taken < size && !is_whole()) {
            size_t wanted = partial.size() < 5 ? 5 - partial.size() : whole_size() - partial.size();
            size_t step = std::min(wanted, size - taken);
            partial.append(reinterpret_cast<const char*>(data) + taken, step);
            taken += step;
        }
        return taken;
    }

    size_t whole_size() const { return 5 + read_be(reinterpret_cast<const uint8_t*>(partial.data()) + 1, 4); }
    bool is_whole() const { return partial.size() >= 5 && partial.size() == whole_size(); }

    void message(const uint8_t* at, size_t size, const Options& options, Totals& totals) {
        int64_t found = sequence_of(at, at + size);
        if (found == 0) return;  // heartbeats, statuses and marks are not deliveries
        if (found < 0) return totals.error("a message that is no TradingEvent");
        if (!sequence) totals.streams_begun++;
        bool wrapped = options.wrap && sequence == options.wrap && found == 1;
        if (sequence && found != sequence + 1 && !wrapped)
            totals.error("sequence " + std::to_string(found) + " after " + std::to_string(sequence));
        sequence = found;
        totals.deliveries++;
        if (options.stamped && totals.measuring) stamp(at, size, totals);
    }

    static void stamp(const uint8_t* at, size_t size, Totals& totals) {
        auto* mark = static_cast<const char*>(memmem(at, size, STAMP_MARK, 2));
        if (!mark || mark + 2 + STAMP_DIGITS > reinterpret_cast<const char*>(at) + size)
            return totals.error("a message without its send time");
        int64_t sent = strtoll(std::string(mark + 2, STAMP_DIGITS).c_str(), nullptr, 16);
        totals.latencies.push_back(now_ns() - sent);
    }

    static bool varint(const uint8_t*& at, const uint8_t* end, uint64_t& value) {
        value = 0;
        for (int shift = 0; at < end && shift < 64; shift += 7) {
            uint8_t byte = *at++;
            value |= static_cast<uint64_t>(byte & 0x7f) << shift;
            if (byte < 128) return true;
        }
        return false;
    }

    // The sequence field among the top-level fields; 0 where there is none, -1 for what is no protobuf.
    static int64_t sequence_of(const uint8_t* at, const uint8_t* end) {
        while (at < end) {
            uint64_t tag, value;
            if (!varint(at, end, tag)) return -1;
            switch (tag & 7) {
                case 0:
                    if (!varint(at, end, value)) return -1;
                    if (tag >> 3 == SEQUENCE_FIELD) return value;
                    break;
                case 1: at += 8; break;
                case 5: at += 4; break;
                case 2:
                    if (!varint(at, end, value) || value > static_cast<uint64_t>(end - at)) return -1;
                    at += value;
                    break;
                default: return -1;
            }
        }
        return 0;
    }
};

class Connection {
   public:
    Connection(const Options& options, Totals& totals) : options_(options), totals_(totals) {
        streams_.resize(options.streams_each);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(options.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int ahead = RECEIVE_BYTES;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &ahead, sizeof ahead);
        if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address))
            fail(std::string("connect: ") + strerror(errno));
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        greet();
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }

    int fd;

    // Everything there is, in reads of up to READ_BYTES; false once the connection has ended.
    bool receive(uint8_t* buffer) {
        ssize_t size = recv(fd, buffer, READ_BYTES, 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
        if (size <= 0) return false;
        totals_.bytes += size;
        totals_.reads++;
        parse(buffer, size);
        if (!answer_.empty()) send_all(answer_);
        answer_.clear();
        return true;
    }

   private:
    void greet() {
        std::string hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        hello += frame(SETTINGS, 0, 0, be(4, 2) + be(options_.window, 4));
        if (options_.window > WINDOW_DEFAULT)
            hello += frame(WINDOW_UPDATE, 0, 0, be(options_.window - WINDOW_DEFAULT, 4));
        for (int i = 0; i < options_.streams_each; i++) {
            hello += frame(HEADERS, END_HEADERS, 2 * i + 1, header_block(options_));
            hello += frame(DATA, END_STREAM, 2 * i + 1, options_.request);
        }
        send_all(hello);
    }

    void send_all(const std::string& data) {
        for (size_t sent = 0; sent < data.size();) {
            ssize_t size = send(fd, data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
            if (size > 0) sent += size;
            else if (errno != EAGAIN && errno != EINTR) return;  // the reader finds the end
        }
    }

    void parse(const uint8_t* at, size_t size) {
        const uint8_t* end = at + size;
        while (at < end) {
            if (head_size_ < 9) {
                size_t step = std::min<size_t>(9 - head_size_, end - at);
                memcpy(head_ + head_size_, at, step);
                head_size_ += step;
                at += step;
                if (head_size_ < 9) return;
                begin_frame();
            }
            size_t step = std::min<size_t>(left_, end - at);
            payload(at, step);
            at += step;
            left_ -= step;
            if (!left_) end_frame();
        }
    }

    void begin_frame() {
        left_ = read_be(head_, 3);
        kind_ = head_[3];
        flags_ = head_[4];
        id_ = read_be(head_ + 5, 4) & WINDOW_MAX;
        control_.clear();
        totals_.frames++;
        if (kind_ == DATA && flags_ & PADDED) fail("padded DATA is not supported");
        if (kind_ == DATA) consume(left_);
    }

    void payload(const uint8_t* at, size_t size) {
        Stream* stream = stream_of(id_);
        if (kind_ == DATA && stream) stream->feed(at, size, options_, totals_);
        else if (kind_ != DATA) control_.append(reinterpret_cast<const char*>(at), size);
    }

    void end_frame() {
        head_size_ = 0;
        if (kind_ == SETTINGS && !(flags_ & ACK)) answer_ += frame(SETTINGS, ACK, 0, "");
        else if (kind_ == PING && !(flags_ & ACK)) answer_ += frame(PING, ACK, 0, control_);
        else if (kind_ == GOAWAY) ended("GOAWAY");
        else if (kind_ == RST_STREAM) ended("RST_STREAM");
        else if ((kind_ == HEADERS || kind_ == DATA) && flags_ & END_STREAM) ended("a response ended: " + control_);
    }

    void ended(const std::string& why) { totals_.error(why); }

    void consume(uint32_t size) {
        give_back(0, consumed_, size);
        if (Stream* stream = stream_of(id_)) give_back(id_, stream->consumed, size);
    }

    void give_back(uint32_t id, uint32_t& consumed, uint32_t size) {
        consumed += size;
        if (consumed < options_.window / 2) return;
        answer_ += frame(WINDOW_UPDATE, 0, id, be(consumed, 4));
        consumed = 0;
    }

    Stream* stream_of(uint32_t id) {
        size_t index = id / 2;
        return id % 2 && index < streams_.size() ? &streams_[index] : nullptr;
    }

    const Options& options_;
    Totals& totals_;
    std::vector<Stream> streams_;
    std::string answer_, control_;
    uint8_t head_[9];
    size_t head_size_ = 0;
    uint32_t left_ = 0, id_ = 0, consumed_ = 0;
    uint8_t kind_ = 0, flags_ = 0;
};

struct Mark {
    int64_t at_ns = 0;
    double server_s = 0;
    int64_t idle_ns = 0;
    uint64_t deliveries = 0, bytes = 0, frames = 0, reads = 0;
};

class Measure {
   public:
    Measure(const Options& options, Totals& totals) : options_(options), totals_(totals) {
        if (clock_getcpuclockid(options.pid, &server_)) fail("no such server process");
        streams_ = static_cast<uint64_t>(options.connections) * options.streams_each;
        limit_ = options.events_each * streams_;
    }

    // Looks at the clock; true once the window is over.
    bool is_over() {
        int64_t now = now_ns();
        if (!born_) born_ = now;
        if ((now - born_) / 1e9 > DEADLINE_S + options_.seconds)
            fail(std::to_string(totals_.streams_begun) + " of " + std::to_string(streams_) + " streams began in time");
        if (totals_.streams_begun < streams_) return false;
        if (!ready_) ready_ = now;
        if (!begin_.at_ns) {
            bool is_warm = (now - ready_) / 1e9 >= options_.warm_up_s || (limit_ && totals_.deliveries >= limit_ / 10);
            if (is_warm) {
                begin_ = mark(now);
                totals_.measuring = true;
            }
            return false;
        }
        bool is_late = (now - begin_.at_ns) / 1e9 >= options_.seconds;
        if (!is_late && !(limit_ && totals_.deliveries >= limit_ / 10 * 9)) return false;
        end_ = mark(now);
        return true;
    }

    void print() {
        auto& times = totals_.latencies;
        std::sort(times.begin(), times.end());
        double seconds = (end_.at_ns - begin_.at_ns) / 1e9;
        uint64_t deliveries = end_.deliveries - begin_.deliveries;
        printf("{\"deliveries\": %lu, \"seconds\": %.6f, \"server_cpu_s\": %.6f, \"client_busy_s\": %.6f",
               deliveries, seconds, end_.server_s - begin_.server_s,
               seconds - (end_.idle_ns - begin_.idle_ns) / 1e9);
        printf(", \"bytes\": %lu, \"frames\": %lu, \"reads\": %lu", end_.bytes - begin_.bytes,
               end_.frames - begin_.frames, end_.reads - begin_.reads);
        printf(", \"p50_ms\": %s, \"p99_ms\": %s, \"p999_ms\": %s", share(0.5).c_str(), share(0.99).c_str(),
               share(0.999).c_str());
        for (char& c : totals_.first_error)
            if (c < ' ' || c > '~' || c == '"' || c == '\\') c = '.';
        printf(", \"errors\": %lu, \"first_error\": \"%s\"}\n", totals_.errors, totals_.first_error.c_str());
    }

   private:
    Mark mark(int64_t now) {
        return {now, cpu_s(server_), totals_.idle_ns, totals_.deliveries, totals_.bytes,
                totals_.frames, totals_.reads};
    }

    std::string share(double of) {
        auto& times = totals_.latencies;
        if (times.empty()) return "null";
        return std::to_string(times[std::min(times.size() - 1, static_cast<size_t>(times.size() * of))] / 1e6);
    }

    const Options& options_;
    Totals& totals_;
    clockid_t server_;
    uint64_t streams_ = 0, limit_ = 0;
    int64_t born_ = 0, ready_ = 0;
    Mark begin_, end_;
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i++) {
        std::string argument = argv[i];
        size_t split = argument.find('=');
        if (split == std::string::npos) fail("arguments are name=value");
        std::string name = argument.substr(0, split), value = argument.substr(split + 1);
        if (name == "port") options.port = stoi(value);
        else if (name == "pid") options.pid = stol(value);
        else if (name == "connections") options.connections = stoi(value);
        else if (name == "streams_each") options.streams_each = stoi(value);
        else if (name == "window") options.window = stoul(value);
        else if (name == "seconds") options.seconds = stod(value);
        else if (name == "warm_up_s") options.warm_up_s = stod(value);
        else if (name == "wrap") options.wrap = stol(value);
        else if (name == "events_each") options.events_each = stol(value);
        else if (name == "stamped") options.stamped = value == "1";
        else if (name == "path") options.path = value;
        else if (name == "key") options.key = value;
        else if (name == "request") options.request = from_hex(value);
        else fail("no option " + name);
    }
    return options;
}

void run(const Options& options, Totals& totals, Measure& measure) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    std::vector<Connection*> connections;
    for (int i = 0; i < options.connections; i++) {
        connections.push_back(new Connection(options, totals));
        if (i % CONNECTS_AT_ONCE == 0) usleep(CONNECT_PAUSE_US);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = connections.back();
        epoll_ctl(poll, EPOLL_CTL_ADD, connections.back()->fd, &event);
    }
    std::vector<uint8_t> buffer(READ_BYTES);
    std::vector<epoll_event> events(1024);
    while (!measure.is_over()) {
        int64_t before = now_ns();
        int count = epoll_wait(poll, events.data(), events.size(), 0);
        if (!count) totals.idle_ns += now_ns() - before;
        for (int i = 0; i < count; i++) {
            auto* connection = static_cast<Connection*>(events[i].data.ptr);
            if (connection->receive(buffer.data())) continue;
            totals.error("a connection was closed");
            epoll_ctl(poll, EPOLL_CTL_DEL, connection->fd, nullptr);
        }
        if (totals.errors && !totals.measuring) fail(totals.first_error);
    }
}

}  // namespace

int main(int argc, char** argv) {
    Options options = parse(argc, argv);
    Totals totals;
    totals.latencies.reserve(1 << 20);
    Measure measure(options, totals);
    run(options, totals, measure);
    measure.print();
    fflush(stdout);
    _exit(0);  // without closing a thousand sockets one by one
}
