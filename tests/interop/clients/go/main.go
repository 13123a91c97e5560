// Prints what happens on an account, one line of JSON an event.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/dropcopy/dropcopy/gen/go/trading"
)

var (
	account = os.Getenv("DROPCOPY_ACCOUNT")
	resume  = flag.String("resume", "", "EPOCH:SEQUENCE:CHAIN of the last event that was processed")
	after   = flag.Int("unsubscribe-after", 0, "journal events; 0 = never")
)

func main() {
	flag.Parse()
	connection, err := grpc.Dial(os.Getenv("DROPCOPY_GRPC"), security())
	check(err)
	defer connection.Close()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-api-key", os.Getenv("DROPCOPY_API_KEY"))
	stream, err := pb.NewTradingServiceClient(connection).StreamEvents(ctx)
	check(err)
	// A failed Send only says that the call has ended; Recv says how.
	_ = stream.Send(&pb.StreamEventsRequest{Msg: &pb.StreamEventsRequest_Subscribe{Subscribe: subscribe()}})
	for heard := 0; ; {
		event, err := stream.Recv()
		if err != nil {
			end(stream, err)
			return
		}
		line, err := protojson.Marshal(event)
		check(err)
		fmt.Println(string(line))
		if event.Sequence > 0 {
			if heard++; heard == *after {
				_ = stream.Send(&pb.StreamEventsRequest{Msg: &pb.StreamEventsRequest_Unsubscribe{
					Unsubscribe: &pb.Unsubscribe{TradingAccountId: account}}})
			}
		}
	}
}

// TLS where a CA file is named, else plaintext.
func security() grpc.DialOption {
	ca := os.Getenv("DROPCOPY_CA")
	if ca == "" {
		return grpc.WithInsecure()
	}
	trusted, err := credentials.NewClientTLSFromFile(ca, "")
	check(err)
	return grpc.WithTransportCredentials(trusted)
}

// Every kind of event of the account, after the cursor if there is one.
func subscribe() *pb.Subscribe {
	request := &pb.Subscribe{TradingAccountId: account}
	for kind := range pb.EventType_name {
		if kind != int32(pb.EventType_EVENT_TYPE_UNSPECIFIED) {
			request.Subscriptions = append(request.Subscriptions, pb.EventType(kind))
		}
	}
	if *resume != "" {
		parts := strings.Split(*resume, ":")
		sequence, err := strconv.ParseInt(parts[1], 10, 64)
		check(err)
		chain, err := strconv.ParseUint(parts[2], 10, 64)
		check(err)
		cursor := &pb.Cursor{AccountId: account, Epoch: parts[0], Sequence: sequence, Chain: chain}
		request.Resume = append(request.Resume, cursor)
	}
	return request
}

func end(stream pb.TradingService_StreamEventsClient, err error) {
	code := ""
	if values := stream.Trailer().Get("dropcopy-code"); len(values) > 0 {
		code = values[0]
	}
	line, err := json.Marshal(map[string]map[string]string{"end": {
		"status": status.Code(err).String(), "message": status.Convert(err).Message(), "code": code}})
	check(err)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
