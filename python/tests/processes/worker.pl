#!/usr/bin/env perl
# A worker of the Workflow Test Bench in Perl, with nothing but Perl itself. See
# docs/worker-protocol.md. What it makes of a case, the case's `action` says.

use strict;
use warnings;

open(my $connection, '+<&=', $ENV{WTB_WORKER_FD}) or die "no connection: $!";
binmode $connection;
$| = 1;

# MessagePack, as far as a worker needs it. Perl does not tell text from numbers: each kind of
# value is written by a function of its own.

sub nil   { "\xc0" }
sub bool  { $_[0] ? "\xc3" : "\xc2" }
sub int_  { "\xd3" . pack('q>', $_[0]) }
sub float { "\xcb" . pack('d>', $_[0]) }
sub str   { "\xdb" . pack('N', length $_[0]) . $_[0] }
sub bin   { "\xc6" . pack('N', length $_[0]) . $_[0] }
sub array { "\xdd" . pack('N', scalar @_) . join('', @_) }

sub map_ {
    my @entries = @_;
    my $packed  = '';
    for (my $at = 0; $at < @entries; $at += 2) {
        $packed .= str($entries[$at]) . $entries[$at + 1];
    }
    return "\xdf" . pack('N', @entries / 2) . $packed;
}

# By marker: what the number behind it is, and how many bytes it has.
my %number = (
    0xca => ['f>', 4], 0xcb => ['d>', 8],
    0xcc => ['C', 1], 0xcd => ['n', 2], 0xce => ['N', 4], 0xcf => ['Q>', 8],
    0xd0 => ['c', 1], 0xd1 => ['s>', 2], 0xd2 => ['l>', 4], 0xd3 => ['q>', 8],
);
# By marker: what comes, and how its length is written.
my %sized = (
    0xc4 => ['text', 0xcc], 0xc5 => ['text', 0xcd], 0xc6 => ['text', 0xce],
    0xd9 => ['text', 0xcc], 0xda => ['text', 0xcd], 0xdb => ['text', 0xce],
    0xdc => ['array', 0xcd], 0xdd => ['array', 0xce],
    0xde => ['map', 0xcd], 0xdf => ['map', 0xce],
);

sub take {
    my ($from, $bytes) = @_;
    die "cut off" if length $$from < $bytes;
    return substr $$from, 0, $bytes, '';
}

sub number {
    my ($from, $marker) = @_;
    my ($template, $bytes) = @{ $number{$marker} };
    return unpack $template, take($from, $bytes);
}

# Returns the value at the beginning of a text, and takes it away.
sub decode {
    my ($from) = @_;
    my $marker = ord take($from, 1);
    return $marker                             if $marker < 0x80;
    return sized($from, 'map', $marker & 0x0f)   if $marker < 0x90;
    return sized($from, 'array', $marker & 0x0f) if $marker < 0xa0;
    return take($from, $marker & 0x1f)         if $marker < 0xc0;
    return undef                               if $marker == 0xc0;
    return $marker == 0xc3                     if $marker == 0xc2 || $marker == 0xc3;
    return $marker - 256                       if $marker >= 0xe0;
    return number($from, $marker)              if $number{$marker};
    my ($kind, $length) = @{ $sized{$marker} or die "marker $marker" };
    return sized($from, $kind, number($from, $length));
}

sub sized {
    my ($from, $kind, $count) = @_;
    return take($from, $count) if $kind eq 'text';
    my @items = map { decode($from) } 1 .. ($kind eq 'map' ? 2 * $count : $count);
    return $kind eq 'map' ? {@items} : \@items;
}

# Frames.

sub say_ {
    my ($name, @fields) = @_;
    my $body  = map_($name, map_(@fields));
    my $frame = pack('V', length $body) . $body;
    while (length $frame) {
        my $sent = syswrite $connection, $frame;
        die "the supervisor is gone: $!" unless defined $sent;
        substr $frame, 0, $sent, '';
    }
}

sub receive {
    my ($bytes) = @_;
    my $come = '';
    while (length $come < $bytes) {
        my $read = sysread $connection, $come, $bytes - length $come, length $come;
        return undef unless $read;
    }
    return $come;
}

# Returns a message's name and its fields; nothing at the end.
sub hear {
    my $header = receive(4);
    return unless defined $header;
    my $body = receive(unpack 'V', $header);
    my ($name, $fields) = %{ decode(\$body) };
    return ($name, $fields);
}

sub ask {
    say_(@_);
    my ($name, $answer) = hear();
    die "no answer but $name" unless $name eq 'answer';
    die "refused: $answer->{failed}{message}" if $answer->{failed};
    return (values %$answer)[0];
}

# Attempts.

sub json { map_(kind => str('json'), bytes => bin($_[0])) }

sub metric {
    my ($name, $value) = @_;
    return map_(name => str($name), value => float($value), direction => str('max'),
        source => str('workflow'));
}

sub checkpoint_name {
    my ($order, $id) = @_;
    return map_(thread => str($order->{thread}), namespace => str(''), id => str($id));
}

my %actions = (
    double => sub {
        my ($order, $input, $job) = @_;
        my ($number) = $input =~ /"number": (-?\d+)/;
        print "doubling $number\n";
        my $doubled = 2 * $number;
        return (
            status  => str('succeeded'),
            output  => json(qq({"number": $doubled, "seed": $order->{seed}, "job": $job})),
            metrics => array(metric(doubled => $doubled)),
        );
    },
    fail => sub {
        my $error = map_(type => str('BadNumber'), message => str("größer als erlaubt"),
            traceback => nil(), node => str('work'));
        return (status => str('failed'), error => $error);
    },
    remember => sub {
        my ($order) = @_;
        my @name = (name => checkpoint_name($order, '0001'));
        my $channel = array(str('answer'), str('1'), json('42'));
        my $put = ask(put => @name, parent => nil(), run => nil(), metadata => str('{"step": 0}'),
            body => json('{"v": 1}'), channels => array($channel));
        die "missing" if @{ $put->{missing} };
        my $write = array(int_(0), str('answer'), json('"später"'));
        say_(put_writes => checkpoint => checkpoint_name($order, '0001'), task => str('t'),
            path => str(''), writes => array($write), replace => bool(0));
        my $found = ask(get => thread => str($order->{thread}), namespace => str(''))->{found};
        my ($name, $value) = @{ $found->{channels}[0] };
        my $pending = $found->{writes}[0]{value}{bytes};
        my $output = qq({"$name": $value->{bytes}, "id": "$found->{name}{id}", "next": $pending});
        return (status => str('succeeded'), output => json($output));
    },
    crash => sub { kill 'SEGV', $$; sleep 60 },
    rubbish => sub { syswrite $connection, "\xff" x 100; sleep 60 },
    hang => sub { sleep 60 while 1 },
);

say_(hello => version => int_(1));
my ($name, $welcome) = hear();
die "another version" unless $name eq 'welcome' && $welcome->{version} == 1;
while (my ($next, $order) = hear()) {
    last unless $next eq 'attempt';
    my ($action) = $order->{input} =~ /"action": "(\w+)"/;
    say_(node => node => str('work'), ended => bool(0));
    my @outcome = $actions{$action}->($order, $order->{input}, $welcome->{job});
    say_(node => node => str('work'), ended => bool(1));
    say_(outcome => @outcome, duration_s => float(0.25));
}
