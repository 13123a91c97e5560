// The rival: a grpc-go server that sends ready bytes, so that only its transport is measured.
//
//	server STREAMS EVENTS_PER_S FILE
//
// FILE holds the messages, each behind its length in four bytes. EVENTS_PER_S 0 = busy: every stream sends as fast as
// flow control allows, which is kinder to it than bursts with pauses. Otherwise so many events a second, each to every
// stream, each with the time it was made. Ends with its standard input.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"google.golang.org/grpc"
)

const (
	stampMark   = "@@"
	queueEvents = 1024
	burst       = 64
)

// rawCodec hands bytes through.
type rawCodec struct{}

func (rawCodec) Marshal(value interface{}) ([]byte, error) { return *value.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, value interface{}) error {
	*value.(*[]byte) = data
	return nil
}
func (rawCodec) String() string { return "raw" }

type server struct {
	streams   int
	perSecond int
	messages  [][]byte
	lock      sync.Mutex
	listeners []chan *[]byte
	allOpen   chan struct{}
}

func (s *server) subscribe(_ interface{}, stream grpc.ServerStream) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	events := s.join()
	<-s.allOpen
	if s.perSecond == 0 {
		return s.sendAll(stream)
	}
	for message := range events {
		if err := stream.SendMsg(message); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) sendAll(stream grpc.ServerStream) error {
	for {
		for i := range s.messages {
			if err := stream.SendMsg(&s.messages[i]); err != nil {
				return err
			}
			if i%burst == burst-1 {
				runtime.Gosched() // or one stream of a thousand may wait for minutes
			}
		}
	}
}

func (s *server) join() chan *[]byte {
	s.lock.Lock()
	defer s.lock.Unlock()
	events := make(chan *[]byte, queueEvents)
	s.listeners = append(s.listeners, events)
	if len(s.listeners) == s.streams {
		close(s.allOpen)
		if s.perSecond != 0 {
			go s.pace()
		}
	}
	return events
}

// pace makes the events, by an absolute schedule.
func (s *server) pace() {
	begin := time.Now()
	for count := 0; ; count++ {
		event := stamped(s.messages[count%len(s.messages)])
		for _, listener := range s.listeners {
			listener <- &event
		}
		next := begin.Add(time.Duration(count+1) * time.Second / time.Duration(s.perSecond))
		time.Sleep(time.Until(next))
	}
}

// stamped is a copy with the time behind the mark, by the clock that the client reads too.
func stamped(message []byte) []byte {
	var now syscall.Timespec
	const clockMonotonic = 1
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	event := append([]byte(nil), message...)
	at := bytes.Index(event, []byte(stampMark)) + len(stampMark)
	copy(event[at:], fmt.Sprintf("%016x", now.Nano()))
	return event
}

func read(path string) [][]byte {
	data, err := os.ReadFile(path)
	check(err)
	var messages [][]byte
	for len(data) > 0 {
		size := 4 + binary.BigEndian.Uint32(data)
		messages = append(messages, data[4:size])
		data = data[size:]
	}
	return messages
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	streams, err := strconv.Atoi(os.Args[1])
	check(err)
	perSecond, err := strconv.Atoi(os.Args[2])
	check(err)
	s := &server{streams: streams, perSecond: perSecond, messages: read(os.Args[3]), allOpen: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	grpcServer := grpc.NewServer(grpc.CustomCodec(rawCodec{}))
	grpcServer.RegisterService(&grpc.ServiceDesc{
		ServiceName: "trading.TradingService",
		HandlerType: (*interface{})(nil),
		Streams: []grpc.StreamDesc{{
			StreamName:    "SubscribeEvents",
			Handler:       s.subscribe,
			ServerStreams: true,
		}},
	}, s)
	go func() { check(grpcServer.Serve(listener)) }()
	fmt.Printf("{\"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
